//! Scenarios: the real server over real HTTP, and the command line beside it, from a caller's point of view.
//!
//! Each test has its own server, data folder and database. Nothing here knows how the server is made.

mod access;
mod adjustments;
mod bad_input;
mod campaigns;
mod command_line;
mod customers;
mod erasure;
mod export;
mod feed;
mod flows;
mod guarded;
mod imports;
mod jobs;
mod listing;
mod loyalty;
mod mail_servers;
mod merged_sales;
mod merging;
mod offline_proofs;
mod operating;
mod pending;
mod profile;
mod programme;
mod programme_command;
mod proofs;
mod publishing;
mod reactors;
mod rebuild;
mod refunds;
mod rehearsing;
mod restoring;
mod scrubbing;
mod searching;
mod secrets;
mod seeing;
mod shutdown;
mod stamps;
mod standing;
mod support;
mod tenants;
mod time_travel;
mod transfers;
mod validators;
mod verifying;
