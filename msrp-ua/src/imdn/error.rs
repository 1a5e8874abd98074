//! What can be wrong with a notification.

use crate::{cpim::CpimError, mime::MimeError, xml::XmlError};

/// Why something is no notification, or none could be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImdnError {
    /// It is no XML document that is accepted.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The root is not `imdn` of the right namespace.
    #[error("the root of a notification has to be imdn")]
    Root,
    /// An element that has to be there is not.
    #[error("a notification has to have {0}")]
    Missing(&'static str),
    /// There is more than one disposition, or more than one status.
    #[error("a notification has one {0}")]
    Repeated(&'static str),
    /// An aggregate cannot be taken apart.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// It cannot be put into a message/cpim.
    #[error(transparent)]
    Cpim(#[from] CpimError),
}
