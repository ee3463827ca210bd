//! What lines of credit may do, as given / when / then.
