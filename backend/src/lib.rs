//! fhec-backend
