//! The rules of RFC 4975 §5.3, §7 on one connection.

mod answers;
mod between_shards;
mod bounds;
mod chunks;
mod closing;
mod end_line_in_body;
mod framing;
mod head_form;
mod identifiers;
mod interruption;
mod liveness;
mod logs;
mod lone;
mod misuse;
mod naive;
mod pair;
mod receiving;
mod requests;
mod transaction_time;
