//! One header of a message/cpim, and the namespaces that give its name a meaning (RFC 3862 §3.4).

use std::{borrow::Cow, sync::Arc};

use super::{escape::unescape, grammar::Line};

/// The namespace of the headers that RFC 3862 defines, which is the default one (RFC 3862 §4). Its section 6 misspells it
/// (row 3862-T-01).
pub const CPIM_NAMESPACE: &str = "urn:ietf:params:cpim-headers:";

/// A header as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    prefix: Option<Box<str>>,
    name: Box<str>,
    namespace: Option<Arc<str>>,
    parameters: Box<[(Box<str>, Box<str>)]>,
    value: Box<str>,
}

impl Header {
    pub(super) fn new(line: &Line<'_>, namespace: Option<Arc<str>>) -> Self {
        Self {
            prefix: line.prefix.map(Into::into),
            name: line.name.into(),
            namespace,
            parameters: line
                .parameters
                .iter()
                .map(|&(name, value)| (name.into(), value.into()))
                .collect(),
            value: line.value.into(),
        }
    }

    /// The URI of its namespace; none where its prefix was not declared before. Such a header means nothing.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The prefix as written, which has no meaning of its own.
    pub fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Its name within the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the header `name` of a namespace. Both compare exactly (RFC 3862 §2.2).
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        &*self.name == name && self.namespace() == Some(namespace)
    }

    /// Its value as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Its value as text, escapes resolved: any character can be in it, also line ends.
    pub fn text(&self) -> Cow<'_, str> {
        unescape(&self.value)
    }

    /// The language of its text, where one is told.
    pub fn language(&self) -> Option<&str> {
        self.parameters()
            .find(|(name, _)| *name == "lang")
            .map(|(_, value)| value)
    }

    /// Its parameters as written, quoted values with their quotes.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// A header or feature that whoever processes the message has to understand (RFC 3862 §3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The URI of its namespace; none where the prefix was not declared before.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Box<str>,
}

/// Which prefix stands for which namespace, so far in a message.
#[derive(Clone, Debug)]
pub(super) struct Namespaces {
    default: Arc<str>,
    /// Later declarations count. There are no more of them than there may be headers.
    declared: Vec<(Box<str>, Arc<str>)>,
}

impl Namespaces {
    pub(super) fn new() -> Self {
        Self {
            default: CPIM_NAMESPACE.into(),
            declared: Vec::new(),
        }
    }

    pub(super) fn declare(&mut self, prefix: Option<&str>, uri: &str) {
        match prefix {
            None => self.default = uri.into(),
            Some(prefix) => {
                self.declared.retain(|(known, _)| **known != *prefix);
                self.declared.push((prefix.into(), uri.into()));
            }
        }
    }

    pub(super) fn resolve(&self, prefix: Option<&str>) -> Option<Arc<str>> {
        let Some(prefix) = prefix else {
            return Some(Arc::clone(&self.default));
        };
        self.declared
            .iter()
            .find(|(known, _)| **known == *prefix)
            .map(|(_, uri)| Arc::clone(uri))
    }
}
