//! Checks what a Clientela server says about its log, by the mathematics alone: no database, no network, and no code that
//! the server runs. It is short so that an auditor can read all of it before believing it.
//!
//! An event is proved in four steps, each in a file of its own:
//!
//! 1. the columns of the event hash to its leaf ([`leaf`]);
//! 2. the leaf and the path of the proof hash to the root of the tree, at the place that the position says ([`tree`]);
//! 3. that root stands in a signed head ([`head`]);
//! 4. the signature is by a key that the auditor has from elsewhere ([`note`]), never from the answer itself.
//!
//! What this cannot show: that others were shown the same head. So keep heads, compare them ([`Head::is_among`]), and ask
//! the server to prove that the log only grew from one to the next ([`consistency`]).

mod answers;
pub mod head;
pub mod leaf;
pub mod note;
pub mod tree;
mod wrong;

pub use answers::{ProvedEvent, consistency, event};
pub use head::Head;
pub use note::Key;
pub use wrong::Wrong;
