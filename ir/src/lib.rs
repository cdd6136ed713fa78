//! fhec-ir
