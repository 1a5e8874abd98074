//! A strict reader of the text that Prometheus scrapes (exposition format 0.0.4).

use std::collections::{BTreeMap, BTreeSet};

/// What stands in a page: the value of each series, under its name with its labels as written.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) series: BTreeMap<String, f64>,
    /// Each family with its type.
    pub(crate) families: BTreeMap<String, String>,
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text.parse().unwrap_or_else(|_| panic!("no number: {text}")),
    }
}

/// The labels between the braces, in their order.
fn labels(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap();
        assert!(is_name(name), "{text}");
        let mut value = String::new();
        let mut letters = behind.char_indices();
        let end = loop {
            match letters.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next().unwrap().1 {
                    'n' => '\n',
                    same @ ('\\' | '"') => same,
                    other => panic!("escaped {other}: {text}"),
                }),
                (_, '\n') => panic!("{text}"),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &behind[end + 1..];
        if let Some(more) = rest.strip_prefix(',') {
            assert!(!more.is_empty(), "{text}");
            rest = more;
        } else {
            assert_eq!(rest, "", "{text}");
        }
    }
    labels
}

/// Reads a page, and checks everything that a scraper may stumble over.
pub(crate) fn read(text: &str) -> Page {
    assert!(text.ends_with('\n'));
    let mut page = Page {
        series: BTreeMap::new(),
        families: BTreeMap::new(),
    };
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        assert_eq!(line.trim(), line, "{line:?}");
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty());
            assert!(helped.insert(name.to_owned()), "helped twice: {name}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(is_name(name) && helped.contains(name), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let before = page.families.insert(name.to_owned(), kind.to_owned());
            assert_eq!(before, None, "typed twice: {name}");
            family = name.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labelled) = match series.split_once('{') {
            Some((name, labelled)) => (name, labels(labelled.strip_suffix('}').unwrap())),
            None => (series, Vec::new()),
        };
        assert!(is_name(name), "{line}");
        let suffix = name
            .strip_prefix(&family)
            .unwrap_or_else(|| panic!("under {family}: {line}"));
        let allowed: &[&str] = match &page.families[&family][..] {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert_eq!(
            suffix == "_bucket",
            labelled.iter().any(|(name, _)| name == "le"),
            "{line}"
        );
        let value = number(value);
        assert!(value >= 0.0, "{line}");
        assert_eq!(
            page.series.insert(series.to_owned(), value),
            None,
            "twice: {series}"
        );
    }
    for (name, kind) in &page.families {
        assert!(
            page.series.keys().any(|series| series.starts_with(&**name)),
            "empty: {name}"
        );
        if kind == "histogram" {
            histogram(&page, name);
        }
    }
    page
}

/// Buckets rise, the last is that of all, and the count is what it holds.
fn histogram(page: &Page, name: &str) {
    let mut buckets: Vec<(f64, f64)> = page
        .series
        .iter()
        .filter_map(|(series, count)| {
            let labelled = series.strip_prefix(&format!("{name}_bucket{{"))?;
            let labelled = labels(labelled.strip_suffix('}')?);
            Some((number(&labelled[0].1), *count))
        })
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!(buckets.len() > 2, "{name}");
    assert!(
        buckets
            .windows(2)
            .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1)
    );
    let last = buckets[buckets.len() - 1];
    assert!(last.0.is_infinite(), "{name}");
    assert_eq!(last.1, page.series[&format!("{name}_count")], "{name}");
    assert!(page.series.contains_key(&format!("{name}_sum")), "{name}");
}
