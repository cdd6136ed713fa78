//! fhec-passes
