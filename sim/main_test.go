package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// TestMain is also the child that a Host starts, and the control program of MPS:
// the test binary stands for evabench.
func TestMain(m *testing.M) {
	if mpsfake.Called() {
		// Not os.Exit: under the race detector that takes a second, at every command.
		syscall.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	if len(os.Args) == 10 && os.Args[1] == "sim" && os.Args[3] == "--state" && os.Args[5] == "--child" && os.Args[6] == "--scale" && os.Args[8] == "--dcgm-interval" {
		scale, err := strconv.ParseFloat(os.Args[7], 64)
		every, fault := time.ParseDuration(os.Args[9])
		if err := errors.Join(err, fault); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		err = Serve(context.Background(), os.Args[2], Options{
			Scale: scale, DCGMInterval: every, Dir: os.Args[4], Token: os.Getenv(TokenEnv), Stdout: os.Stdout, Parent: os.Stdin,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leaks.Main(m)
}
