package services

import (
	"fmt"
	"strings"
	"syscall"
)

// An ExitError is how an instance's process ended by itself.
type ExitError struct {
	// Status is the exit status; -1 if a signal ended it, or it is unknown.
	Status int
	// Signal ended it; 0 if none did.
	Signal syscall.Signal
	// OOM is what shows that it ran out of memory; empty if nothing does.
	OOM string
	// Fault is what else is known, such as why the status is not.
	Fault string
	// LogFile is where its log is; Log the last lines of it.
	LogFile string
	Log     []string
	// LogFault tells why the log has gaps; empty if it has none.
	LogFault string
}

// Error tells the end in a line, and the log's end in a line each.
func (e *ExitError) Error() string {
	var b strings.Builder
	switch {
	case e.Signal != 0:
		fmt.Fprintf(&b, "signal %d (%s)", int(e.Signal), e.Signal)
	case e.Fault != "" && e.Status < 0:
		b.WriteString(e.Fault)
	default:
		fmt.Fprintf(&b, "exit status %d", e.Status)
	}
	switch {
	case e.OOM != "":
		b.WriteString(", out of memory: " + e.OOM)
	case e.Status == 0 && e.Signal == 0:
		b.WriteString("; a program that goes to the background must be told to stay in the foreground")
	}
	if e.LogFault != "" {
		b.WriteString("; its log has gaps: " + e.LogFault)
	}
	b.WriteString(LogText(e.LogFile, e.Log))
	return b.String()
}

// LogText is the end of a log as it stands below a fault: empty without a file.
func LogText(file string, last []string) string {
	switch {
	case file == "":
		return ""
	case len(last) == 0:
		return fmt.Sprintf("; its log %s is empty", file)
	}
	return fmt.Sprintf("; the end of its log %s:\n  | %s", file, strings.Join(last, "\n  | "))
}
