//! The nearest valid name, for messages about a misspelt one.

/// The candidate that differs least from `wanted`, if any is close enough to be meant.
pub(crate) fn of<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = |distance: usize| distance <= 1 + wanted.chars().count() / 3;
    candidates
        .map(|candidate| (strsim::osa_distance(wanted, candidate), candidate))
        .filter(|(distance, _)| close(*distance))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The end of a message that names it: `: did you mean `x`?`, or nothing.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default()
}
