//! Session descriptions, and what is agreed on by them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod again;
mod dialog;
mod file_attributes;
mod files;
mod grammar;
mod middleboxes;
mod msrp;
mod offers;
mod picture;
mod setup;
