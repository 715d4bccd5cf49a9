//! Filters: what is subscribed, so that a broker never delivers one message twice.
//!
//! A broker may deliver a message once for each subscription that it matches, in both versions of the protocol, and
//! nothing in the copies says that they are one. So no two subscriptions of ours overlap.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use model::{Name, topic};

/// Filters of which no two match the same topic, and that match all that `wanted` match. Two that overlap become one
/// that covers both; it may match further topics, whose messages concern nobody.
pub(super) fn disjoint(wanted: impl IntoIterator<Item = Name>) -> Vec<Name> {
    let mut kept: Vec<Name> = Vec::new();
    for mut filter in wanted {
        while let Some(place) = kept.iter().position(|other| topic::overlap(other, &filter)) {
            filter = cover(&kept.swap_remove(place), &filter);
        }
        kept.push(filter);
    }
    kept.sort_unstable();
    kept
}

/// The narrowest filter that covers two that overlap.
fn cover(a: &str, b: &str) -> Name {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    let mut levels = Vec::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) => break,
            (Some(x), Some(y)) if x == y => levels.push(x),
            (Some("#"), _) | (_, Some("#")) | (None, _) | (_, None) => {
                levels.push("#");
                break;
            }
            (Some(_), Some(_)) => levels.push("+"),
        }
    }
    levels.join("/").into()
}

/// The filters that a broker's session holds from before; none where that is not known.
pub(super) fn remembered(file: &Path) -> BTreeSet<Name> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return BTreeSet::new(),
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), "failed to read which filters were subscribed");
            return BTreeSet::new();
        }
    };
    serde_json::from_str::<BTreeSet<String>>(&text).unwrap_or_default().into_iter().map(Name::from).collect()
}

/// Notes what the session holds. Where that fails, a filter that is wanted no longer may stay subscribed, which is said.
pub(super) fn remember<'a>(file: &Path, filters: impl IntoIterator<Item = &'a Name>) {
    let filters: BTreeSet<&str> = filters.into_iter().map(|filter| &**filter).collect();
    let text = serde_json::to_string(&filters).expect("texts always have a JSON form");
    let part = file.with_extension("part");
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| std::fs::write(&part, text)).and_then(|()| std::fs::rename(&part, file));
    if let Err(error) = written {
        tracing::warn!(%error, file = %file.display(), "failed to note which filters are subscribed");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(wanted: &[&str], expected: &[&str]) {
        let filters = disjoint(wanted.iter().map(|filter| Name::from(*filter)));
        assert_eq!(filters.iter().map(|filter| &**filter).collect::<Vec<_>>(), expected, "of {wanted:?}");
    }

    #[test]
    fn what_overlaps_becomes_one_filter_and_the_rest_stands() {
        check(&["a/b", "a/c", "a/b/c"], &["a/b", "a/b/c", "a/c"]);
        check(&["a/b", "a/b"], &["a/b"]);
        check(&["a/b", "a/#", "a"], &["a/#"]);
        check(&["a/+", "b/x", "a/b"], &["a/+", "b/x"]);
        check(&["a/+/c", "a/b/+"], &["a/+/+"]);
        check(&["a/+/c", "a/b/#"], &["a/+/#"]);
        // The cover of two reaches a third, which neither did.
        check(&["a/z/z", "a/+/c", "a/b/+"], &["a/+/+"]);
        check(&["#", "$SYS/broker/uptime"], &["#", "$SYS/broker/uptime"]);
        check(&["/a", "+/a"], &["+/a"]);
    }

    #[test]
    fn what_was_noted_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("subscribed/shop.json");
        assert!(remembered(&file).is_empty());
        let filters = BTreeSet::from([Name::from("a/\"b\""), Name::from("c/#")]);
        remember(&file, &filters);
        assert_eq!(remembered(&file), filters);
    }

    proptest! {
        #[test]
        fn every_topic_that_was_wanted_is_heard_once(
            wanted in prop::collection::vec("[ab+]{0,1}(/[ab+]{0,1}){0,2}(/#)?".prop_filter("a filter", |f| topic::is_filter(f)), 1..6),
            name in "[$ab](/[ab]{0,1}){0,3}",
        ) {
            let filters = disjoint(wanted.iter().map(|filter| Name::from(&**filter)));
            let hearing = filters.iter().filter(|filter| topic::matches(filter, &name)).count();
            prop_assert!(hearing <= 1, "{filters:?}");
            if wanted.iter().any(|filter| topic::matches(filter, &name)) {
                prop_assert_eq!(hearing, 1, "{:?}", filters);
            }
        }
    }
}
