//go:build !linux

package sim

// newAlarm gives the most punctual alarm of this system.
func newAlarm() (alarm, error) { return newTimerAlarm(), nil }
