//! Calendars against worked days, and the errors that name what a plan lacks.
