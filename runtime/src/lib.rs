//! fhec-runtime
