//! The small XML documents that travel in messages: read within bounds into a tree, and written.
//!
//! There is no document type definition and no entity but the five of XML itself and character references, so that nothing
//! grows by being read: whatever declares or uses others is refused.

use std::fmt::Write as _;

use quick_xml::{
    NsReader,
    events::{BytesStart, Event},
    name::ResolveResult,
};

/// Bounds on a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlLimits {
    max_octets: usize,
    max_depth: usize,
    max_elements: usize,
}

impl Default for XmlLimits {
    fn default() -> Self {
        Self {
            max_octets: 64 * 1024,
            max_depth: 16,
            max_elements: 1024,
        }
    }
}

impl XmlLimits {
    /// Octets of the document. What is read of it takes a few times as many. Default 64 KiB.
    pub fn max_octets(mut self, octets: usize) -> Self {
        self.max_octets = octets;
        self
    }

    /// Elements within elements. Default 16.
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Elements, and attributes as well. Default 1,024 of each.
    pub fn max_elements(mut self, elements: usize) -> Self {
        self.max_elements = elements;
        self
    }
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// It is longer than the bound.
    #[error("a document of more than {limit} octets")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// Its elements are nested deeper than the bound.
    #[error("elements nested more than {limit} deep")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// It has more elements or attributes than the bound.
    #[error("more than {limit} elements or attributes")]
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// It is not UTF-8, in which all these documents are, or says that it is something else.
    #[error("not UTF-8")]
    Encoding,
    /// It has a document type definition.
    #[error("a document type definition")]
    Doctype,
    /// It uses an entity that XML does not have by itself.
    #[error("an unknown entity")]
    Entity,
    /// It is not well-formed.
    #[error("not well-formed: {0}")]
    Malformed(String),
    /// A prefix is used that is not declared.
    #[error("an undeclared prefix")]
    Prefix,
}

impl XmlError {
    fn malformed(error: impl std::fmt::Display) -> Self {
        XmlError::Malformed(error.to_string())
    }
}

/// An element, with all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The URI of its namespace; empty where it has none.
    pub namespace: String,
    /// Its name, without prefix.
    pub name: String,
    /// Its attributes by their names as written, without declarations of namespaces.
    pub attributes: Vec<(String, String)>,
    /// All text that stands directly in it.
    pub text: String,
    /// The elements directly in it, in order.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// [`XmlError`].
    pub fn parse(document: &[u8], limits: &XmlLimits) -> Result<Self, XmlError> {
        if document.len() > limits.max_octets {
            return Err(XmlError::TooLong {
                limit: limits.max_octets,
            });
        }
        let text = str::from_utf8(document).map_err(|_| XmlError::Encoding)?;
        let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        reader
            .resolver_mut()
            .set_max_namespace_bindings(limits.max_depth * 16);
        let mut tree = Tree::new(limits);
        loop {
            let (namespace, event) = reader.read_resolved_event().map_err(XmlError::malformed)?;
            match event {
                Event::Start(start) => {
                    let element = tree.element(&namespace, &start)?;
                    tree.open(element)?;
                }
                Event::Empty(start) => {
                    let element = tree.element(&namespace, &start)?;
                    tree.open(element)?;
                    tree.close()?;
                }
                Event::End(_) => tree.close()?,
                Event::Text(text) => tree.text(&text.xml10_content())?,
                Event::CData(text) => tree.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().map_err(XmlError::malformed)? {
                        Some(character) => character,
                        None => predefined(&reference.xml10_content()).ok_or(XmlError::Entity)?,
                    };
                    tree.text(character.encode_utf8(&mut [0; 4]))?;
                }
                Event::Decl(declaration) => {
                    if let Some(encoding) = declaration.encoding() {
                        let encoding = encoding.map_err(XmlError::malformed)?;
                        if !encoding.eq_ignore_ascii_case("utf-8")
                            && !encoding.eq_ignore_ascii_case("us-ascii")
                        {
                            return Err(XmlError::Encoding);
                        }
                    }
                }
                Event::DocType(_) => return Err(XmlError::Doctype),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return tree.finish(),
            }
        }
    }

    /// An element of a namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// With this text in it.
    pub fn with_text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// With an attribute.
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an element in it.
    pub fn with_child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    /// Whether it is the element `name` of a namespace.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The first element directly in it that is `name` of the same namespace.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(&self.namespace, name))
    }

    /// The text of such a child, without white space around it.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Writes the document. Characters that XML cannot have at all become U+FFFD.
    pub fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut out, "");
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, around: &str) {
        // Writing to a String cannot fail.
        let _ = write!(out, "<{}", self.name);
        if self.namespace != around {
            attribute(out, "xmlns", &self.namespace);
        }
        for (name, value) in &self.attributes {
            attribute(out, name, value);
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        escape(out, &self.text);
        for child in &self.children {
            child.write(out, &self.namespace);
        }
        let _ = write!(out, "</{}>", self.name);
    }
}

fn attribute(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, " {name}=\"");
    escape(out, value);
    out.push('"');
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// The elements that are open, the outermost first.
struct Tree<'a> {
    limits: &'a XmlLimits,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    attributes: usize,
}

impl<'a> Tree<'a> {
    fn new(limits: &'a XmlLimits) -> Self {
        Self {
            limits,
            open: Vec::new(),
            root: None,
            elements: 0,
            attributes: 0,
        }
    }

    fn element(
        &mut self,
        namespace: &ResolveResult<'_>,
        start: &BytesStart<'_>,
    ) -> Result<Element, XmlError> {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(_) => return Err(XmlError::Prefix),
        };
        let mut element = Element {
            namespace,
            name: start.local_name().into_inner().to_owned(),
            ..Element::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(XmlError::malformed)?;
            count(&mut self.attributes, self.limits.max_elements)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::default())
                .map_err(|_| XmlError::Entity)?;
            element
                .attributes
                .push((attribute.key.0.to_owned(), value.into_owned()));
        }
        Ok(element)
    }

    fn open(&mut self, element: Element) -> Result<(), XmlError> {
        count(&mut self.elements, self.limits.max_elements)?;
        if self.open.len() >= self.limits.max_depth {
            return Err(XmlError::TooDeep {
                limit: self.limits.max_depth,
            });
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::malformed("a second root"));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or_else(|| XmlError::malformed("a lone end"))?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(XmlError::malformed("text outside of the root")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, XmlError> {
        if !self.open.is_empty() {
            return Err(XmlError::malformed("an element that does not end"));
        }
        self.root.ok_or_else(|| XmlError::malformed("no element"))
    }
}

fn count(counter: &mut usize, limit: usize) -> Result<(), XmlError> {
    *counter += 1;
    if *counter > limit {
        return Err(XmlError::TooMany { limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Element, XmlError> {
        Element::parse(text.as_bytes(), &XmlLimits::default())
    }

    #[test]
    fn a_document_becomes_a_tree() {
        let root = parse(
            "<?xml version='1.0' encoding='UTF-8'?><!-- x --><a xmlns='urn:a' xmlns:b='urn:b'>\n <b:c x='&lt;1 &#50;'>t&amp;&#x41;<![CDATA[<z>]]></b:c>\n <d/></a>\n",
        )
        .unwrap();
        assert!(root.is("urn:a", "a"));
        assert!(root.children[0].is("urn:b", "c"));
        assert_eq!(root.children[0].attribute("x"), Some("<1 2"));
        assert_eq!(root.children[0].text, "t&A<z>");
        assert_eq!(root.child("d"), Some(&Element::new("urn:a", "d")));
        assert_eq!(root.child("c"), None, "of another namespace");
    }

    #[test]
    fn what_would_grow_is_refused() {
        let laughs = "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>]><lolz>&lol2;</lolz>";
        assert_eq!(parse(laughs), Err(XmlError::Doctype));
        assert_eq!(
            parse("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"),
            Err(XmlError::Doctype)
        );
        assert_eq!(parse("<a>&lol;</a>"), Err(XmlError::Entity));
        assert_eq!(parse("<a b='&lol;'/>"), Err(XmlError::Entity));
        let limits = XmlLimits::default().max_octets(40).max_depth(3).max_elements(5);
        let parse = |text: &str| Element::parse(text.as_bytes(), &limits);
        assert!(parse("<a><b><c/></b></a>").is_ok());
        assert_eq!(
            parse("<a><b><c><d/></c></b></a>"),
            Err(XmlError::TooDeep { limit: 3 })
        );
        assert_eq!(
            parse("<a><b/><b/><b/><b/><b/></a>"),
            Err(XmlError::TooMany { limit: 5 })
        );
        assert_eq!(
            parse("<a a='' b='' c='' d='' e='' f=''/>"),
            Err(XmlError::TooMany { limit: 5 })
        );
        assert_eq!(
            parse(&format!("<a>{}</a>", " ".repeat(40))),
            Err(XmlError::TooLong { limit: 40 })
        );
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for bad in [
            "",
            " ",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "x<a/>",
            "<a/>x",
            "<a b/>",
            "<a b='1' b='2'/>",
            "<a>&</a>",
            "<a>&#0;</a>",
        ] {
            assert!(
                matches!(parse(bad), Err(XmlError::Malformed(_))),
                "{bad}: {:?}",
                parse(bad)
            );
        }
        assert_eq!(parse("<x:a/>"), Err(XmlError::Prefix));
        assert_eq!(
            Element::parse(b"<a>\xff</a>", &XmlLimits::default()),
            Err(XmlError::Encoding)
        );
        assert_eq!(
            parse("<?xml version='1.0' encoding='ISO-8859-1'?><a/>"),
            Err(XmlError::Encoding)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[^\\x00-\\x08\\x0b-\\x1f\u{fffe}\u{ffff}]*", value in "[^\\x00-\\x1f\u{fffe}\u{ffff}]*") {
            let element = Element::new("urn:a", "a")
                .with_attribute("v", &value)
                .with_text(&text)
                .with_child(Element::new("urn:b", "b").with_text(&value));
            prop_assert_eq!(parse(&element.document()), Ok(element));
        }

        #[test]
        fn reading_any_octets_ends(octets: Vec<u8>, text in "[<>/a='\"&;! -]{0,60}") {
            let _ = Element::parse(&octets, &XmlLimits::default());
            let _ = parse(&text);
        }
    }
}
