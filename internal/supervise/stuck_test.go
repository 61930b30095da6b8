package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestStartDoesNotWaitForEver: where the supervisor does not end what it began to
// start, whoever is interrupted is told who goes on.
func TestStartDoesNotWaitForEver(t *testing.T) {
	enough := errors.New("enough")
	over, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	defer func(name string) { os.Args[0] = name }(os.Args[0])
	for event, want := range map[string]string{
		`{"pid":4194303}`: "process 4194303 does not end, though it was killed; its supervisor (process ",
		`{}`:              "nothing was heard of the program",
	} {
		os.Args[0] = event // see hang
		p, err := Start(over, order(t, 0, "say", "x", "0"))
		if err == nil { // it had started before we looked at the context
			err = p.Stop(over)
		}
		if !errors.Is(err, enough) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want it to tell %q", err, want)
			continue
		}
		supervisor, err := strconv.Atoi(regexp.MustCompile(`supervisor \(process ([0-9]+)\)`).FindStringSubmatch(err.Error())[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}
