package sim

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the child that a Host starts: the test binary stands for
// evabench.
func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == "sim" && os.Args[3] == "--state" && os.Args[5] == "--child" {
		err := Serve(context.Background(), os.Args[2], Options{
			Dir: os.Args[4], Token: os.Getenv(TokenEnv), Stdout: os.Stdout, Parent: os.Stdin,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
