//! The parts of MIME that messages need inside: header fields, multipart bodies, Content-Disposition.

mod disposition;
mod error;
mod headers;
mod multipart;

pub use self::{
    disposition::ContentDisposition,
    error::MimeError,
    headers::{ContentHeader, ContentHeaders},
    multipart::{Multipart, Part},
};
