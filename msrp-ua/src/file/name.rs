//! What a file may be called here that somebody else has named.

/// The longest name, in octets of UTF-8: file systems take 255, and programs like to add a number or `.part`.
pub const MAX_FILE_NAME: usize = 200;

/// The longest extension that is kept when a name is cut.
const MAX_EXTENSION: usize = 20;

/// What becomes of a name of which nothing is left.
const NAMELESS: &str = "file";

/// A name that is safe to create a file by in some folder, on any system, whatever a peer wrote (RFC 5547 §6, §10).
///
/// It has no folders, no characters that a system or a terminal takes for something else, none that turn the direction of
/// writing (so that an extension cannot be disguised), does not begin with a dot, `-` or `~`, does not end in a dot or a
/// space, is none of the names that Windows keeps for devices, and is neither empty nor longer than [`MAX_FILE_NAME`]. Letters
/// of all scripts stay as they are. It may well be the name of a file that is there already.
///
/// ```
/// use msrp_ua::file::safe_file_name;
///
/// assert_eq!(safe_file_name("../../etc/passwd"), "passwd");
/// assert_eq!(safe_file_name("C:\\Users\\x\\Bericht März.pdf"), "Bericht März.pdf");
/// assert_eq!(safe_file_name("con.txt"), "_con.txt");
/// assert_eq!(safe_file_name("invoice\u{202e}fdp.exe"), "invoicefdp.exe");
/// assert_eq!(safe_file_name(".."), "file");
/// ```
pub fn safe_file_name(name: &str) -> String {
    let last = name
        .rsplit(['/', '\\'])
        .find(|part| !part.trim_matches(['.', ' ']).is_empty());
    let clean: String = last
        .unwrap_or_default()
        .chars()
        .filter(|&character| !is_invisible(character))
        .map(|character| {
            if "<>:\"|?*".contains(character) {
                '_'
            } else {
                character
            }
        })
        .collect();
    let clean = trimmed(&clean);
    if clean.is_empty() {
        return NAMELESS.to_owned();
    }
    let guarded = if clean.starts_with(['-', '~']) || is_device(clean) {
        format!("_{clean}")
    } else {
        clean.to_owned()
    };
    shortened(guarded)
}

/// Without dots and white space in front, and at the end.
fn trimmed(name: &str) -> &str {
    name.trim_matches(|character: char| character == '.' || character.is_whitespace())
}

/// Control characters, line separators, and what turns the direction of writing or has no width. Joiners stay: scripts and
/// emoji need them.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Names that Windows keeps for devices, with whatever extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    if matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let Some(number) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else {
        return false;
    };
    let mut characters = number.chars();
    matches!(characters.next(), Some('0'..='9' | '¹' | '²' | '³')) && characters.next().is_none()
}

/// A name within the bound; its extension stays where it is no long one.
fn shortened(name: String) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name;
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= MAX_EXTENSION => (stem, format!(".{extension}")),
        _ => (&*name, String::new()),
    };
    let mut end = (MAX_FILE_NAME - extension.len()).min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or_default();
    format!(
        "{}{extension}",
        stem.trim_end_matches(|it: char| it == '.' || it.is_whitespace())
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // shows: 5547-6-19, 5547-10-06
    #[test]
    fn names_lose_what_a_system_could_misread() {
        for (name, safe) in [
            ("photo.jpg", "photo.jpg"),
            ("My cool picture.jpg", "My cool picture.jpg"),
            ("写真 ü 👩‍👩‍👧.jpg", "写真 ü 👩‍👩‍👧.jpg"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("a/b/..", "b"),
            ("a/", "a"),
            (".bashrc", "bashrc"),
            ("...", "file"),
            ("", "file"),
            (" \u{200b}. ", "file"),
            ("a:b<c>|d?*\".txt", "a_b_c__d___.txt"),
            ("a\0b\r\nc\u{7f}\u{85}\u{2028}.txt", "abc.txt"),
            ("x\u{202e}gpj.exe", "xgpj.exe"),
            ("NUL", "_NUL"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("COM\u{b9}", "_COM\u{b9}"),
            ("lpt10", "lpt10"),
            ("console", "console"),
            ("aux .txt", "_aux .txt"),
            ("-rf", "_-rf"),
            ("~root", "_~root"),
            ("report.pdf. . ", "report.pdf"),
        ] {
            assert_eq!(safe_file_name(name), safe, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = format!("{}.jpeg", "ü".repeat(300));
        let safe = safe_file_name(&long);
        assert_eq!((safe.len(), safe.ends_with("ü.jpeg")), (199, true));
        let no_extension = format!("a.{}", "b".repeat(300));
        assert_eq!(safe_file_name(&no_extension).len(), MAX_FILE_NAME);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_safe_and_stays_as_it_is(name in any::<String>(), nasty in "[./\\\\ :a-cCONUL~\u{202e}\u{feff}1-]{0,300}") {
            for name in [name, nasty] {
                let safe = safe_file_name(&name);
                prop_assert!(!safe.is_empty() && safe.len() <= MAX_FILE_NAME);
                prop_assert!(!safe.contains(['/', '\\', ':', '\0', '\n']));
                prop_assert!(!safe.contains(is_invisible));
                prop_assert!(!safe.starts_with(['.', ' ', '-', '~']) && !safe.ends_with(['.', ' ']));
                prop_assert!(!is_device(&safe));
                prop_assert_eq!(safe_file_name(&safe), safe);
            }
        }
    }
}
