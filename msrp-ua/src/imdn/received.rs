//! Which messages are notifications (RFC 5438 §9), single or in an aggregate (§8.3).

use bytes::Bytes;
use msrp_core::grammar::MediaType;

use super::{ImdnError, Notification};
use crate::{
    cpim::Content,
    mime::{ContentDisposition, Multipart},
    xml::XmlLimits,
};

/// The most notifications that an aggregate may have.
const MAX_AGGREGATED: usize = 256;

/// The notifications that a message is; `None` where it is a message for people.
///
/// A notification is message/imdn+xml, an aggregate multipart/mixed of these, with the Content-Disposition
/// `notification`; of a single one that may be missing.
///
/// # Errors
/// [`ImdnError`] where it is a notification and cannot be read. It is not to be shown either.
pub fn notifications(content: &Content, limits: &XmlLimits) -> Result<Option<Vec<Notification>>, ImdnError> {
    let Ok(media_type) = MediaType::parse(content.media_type.as_bytes()) else {
        return Ok(None);
    };
    let disposition = content.disposition.as_deref().map(ContentDisposition::parse);
    let marked =
        disposition.map(|disposition| disposition.is_ok_and(|disposition| disposition.is("notification")));
    if is_notification(&media_type) && marked != Some(false) {
        return Ok(Some(vec![Notification::parse(&content.body, limits)?]));
    }
    if media_type.is("multipart", "mixed") && marked == Some(true) {
        return aggregate(&content.media_type, &content.body, limits);
    }
    Ok(None)
}

fn aggregate(
    media_type: &str,
    body: &Bytes,
    limits: &XmlLimits,
) -> Result<Option<Vec<Notification>>, ImdnError> {
    let parts = Multipart::parse(media_type, body, MAX_AGGREGATED)?.into_parts();
    let all = parts
        .iter()
        .filter(|part| {
            let media_type = part.headers.get("Content-Type").unwrap_or_default();
            MediaType::parse(media_type.as_bytes()).is_ok_and(|media_type| is_notification(&media_type))
        })
        .map(|part| Notification::parse(&part.body, limits))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(all).filter(|all| !all.is_empty()))
}

fn is_notification(media_type: &MediaType<'_>) -> bool {
    media_type.is("message", "imdn+xml")
}
