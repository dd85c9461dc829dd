//! "Did you mean": the nearest known name.

/// Longer words are near to nothing.
const LONGEST: usize = 64;

/// The nearest of `known`, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing known is as long, and the comparison costs the product of both lengths.
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::levenshtein(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(d, candidate)| *d <= 1 + candidate.len() / 5)
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        assert_eq!(
            nearest("resource_manger", ["resource_manager", "broker"]),
            Some("resource_manager")
        );
        assert_eq!(nearest("zzz", ["resource_manager", "broker"]), None);
    }
}
