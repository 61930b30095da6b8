package main

import "time"

// newSearch makes the search that is tried.
func newSearch(s subject, _ uint64) engine { return newBisection(s, time.Minute) }
