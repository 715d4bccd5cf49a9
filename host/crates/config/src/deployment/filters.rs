//! Topic filters against each other: whether one holds all that another does.

/// Whether every topic that `inner` matches is matched by `outer`.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    if inner.starts_with('$') && outer.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = inner.split('/');
    for wanted in outer.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(level)) if level != "#" => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_covers_another_when_it_matches_all_its_topics() {
        for (outer, inner, expected) in [
            ("a/#", "a/b/+", true),
            ("a/#", "a", true),
            ("a/+", "a/b", true),
            ("a/+", "a/+", true),
            ("a/+", "a/#", false),
            ("a/b", "a/+", false),
            ("#", "$SYS/x", false),
            ("a/+/c", "a/b/c/d", false),
        ] {
            assert_eq!(covers(outer, inner), expected, "{outer} over {inner}");
        }
    }
}
