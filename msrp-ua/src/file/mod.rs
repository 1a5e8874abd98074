//! The data of a file transfer (RFC 5547): what a file is called here, whether it is the file that was described, and what of
//! it is still missing. What is said about files in SDP has its home there.

mod name;

pub use self::name::{MAX_FILE_NAME, safe_file_name};
