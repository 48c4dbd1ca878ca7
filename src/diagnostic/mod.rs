//! Files by id, places in them, problems with code and help, and how they are drawn.
