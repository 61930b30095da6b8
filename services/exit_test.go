package services

import (
	"syscall"
	"testing"
)

func TestExitError(t *testing.T) {
	check := func(e ExitError, want string) {
		t.Helper()
		if got := e.Error(); got != want {
			t.Errorf("%+v is told %q, want %q", e, got, want)
		}
	}
	check(ExitError{Status: 3, LogFile: "a.log", Log: []string{"x", "y"}}, "exit status 3; the end of its log a.log:\n  | x\n  | y")
	check(ExitError{Status: -1, Signal: syscall.SIGKILL, OOM: "the kernel said so", LogFile: "a.log"},
		"signal 9 (killed), out of memory: the kernel said so; its log a.log is empty")
	check(ExitError{Status: 3, LogFile: "a.log", Log: []string{"x"}, LogFault: "no space"}, "exit status 3; its log has gaps: no space; the end of its log a.log:\n  | x")
	check(ExitError{}, "exit status 0; a program that goes to the background must be told to stay in the foreground")
	check(ExitError{Status: -1, Fault: "its supervisor ended"}, "its supervisor ended")
}
