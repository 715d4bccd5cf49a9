//! Keys of JSON as users see them: kebab-case, whatever the fields are called in the bytes of a store, which must stay.

use serde::Serialize;
use serde_json::{Map, Value as Json};

/// The JSON of a struct whose fields are its own, none of them named by users.
pub(crate) fn keys(fields: &impl Serialize) -> Json {
    renamed(serde_json::to_value(fields).unwrap_or_default(), "_", "-")
}

/// The JSON that a struct is read from, whether it was shown so or as older programs showed it.
pub(crate) fn fields(keys: Json) -> Json {
    renamed(keys, "-", "_")
}

fn renamed(json: Json, from: &str, to: &str) -> Json {
    match json {
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name.replace(from, to), value));
            Json::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_shown_in_kebab_case() {
        let shown = keys(&engine::Accounts { dead_lettered: 3, ..engine::Accounts::default() });
        assert_eq!(shown["dead-lettered"], 3);
        let names: Vec<&String> = shown.as_object().expect("an object").keys().collect();
        assert!(names.len() > 20 && names.iter().all(|name| !name.contains('_')), "{names:?}");
    }
}
