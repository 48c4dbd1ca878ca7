/// The longest name that is compared with others; comparing takes the square of it.
const MAX_COMPARED: usize = 200;

/// The known name that was probably meant: what "did you mean" suggests, everywhere.
pub fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if written.len() > MAX_COMPARED {
        return None;
    }
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let written = fold(written);
    let allowed = (written.chars().count() / 3).max(1);
    let distance = |name: &str| {
        let name = fold(name);
        // The beginning of a word is that word.
        let is_beginning = written.len() >= 3 && name.starts_with(&written);
        if is_beginning { 1 } else { strsim::damerau_levenshtein(&written, &name) }
    };
    known
        .into_iter()
        .filter(|name| name.len() <= MAX_COMPARED)
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        assert_eq!(nearest("isolaton", ["isolation", "prevention"]), Some("isolation"));
        assert_eq!(nearest("client_cert", ["client_key", "client_certificate"]), Some("client_certificate"));
        assert_eq!(nearest("Client-Key", ["client_key", "url"]), Some("client_key"));
        assert_eq!(nearest("whatever", ["isolation", "prevention"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
