//! Lists that are told a page at a time.

use std::str::FromStr;

use axum::http::StatusCode;

use crate::http::Refusal;

/// Entries of a page unless the caller says otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// Which page is wanted.
pub(super) struct Wanted<N> {
    /// How many at most.
    pub(super) limit: usize,
    /// Those behind this one.
    pub(super) after: Option<N>,
}

impl<N: FromStr> Wanted<N> {
    /// Reads `limit` and `after` of a query.
    ///
    /// # Errors
    /// [`Refusal`], naming what is wrong.
    pub(super) fn new(limit: Option<usize>, after: Option<&str>) -> Result<Self, Refusal> {
        let refused = |error| Refusal::new(StatusCode::BAD_REQUEST, error);
        let limit = limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            let error = format!("limit={limit}: from 1 to {MAX_PAGE} sessions are told at a time");
            return Err(refused(error));
        }
        let named = |text: &str| {
            text.parse()
                .map_err(|_| refused(format!("after={text}: the id of a session is wanted")))
        };
        Ok(Self {
            limit,
            after: after.map(named).transpose()?,
        })
    }
}
