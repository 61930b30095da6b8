package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/services/launchers/external"
	"github.com/evabench/evabench/sim"
)

// askWithin bounds one question to a server that runs already whether it is simulated.
const askWithin = 2 * time.Second

// refuseSimulators asks the servers that run already, and refuses those that say that they
// are simulated ones: nothing else of the run would say so, and its times would be of their
// clock. One that cannot be asked so is no fault here; it is not ready later.
func refuseSimulators(ctx context.Context, all []runner.Service) error {
	var faults []error
	for _, svc := range all {
		var c external.Config
		if svc.Service.Launcher.Name != external.Kind.Name {
			continue
		}
		if err := decode(svc.Service.Launcher, &c); err != nil {
			return err
		}
		found := make([]error, len(c.Instances))
		var asking sync.WaitGroup
		for i, in := range c.Instances {
			asking.Go(func() {
				if server, scale := simulator(ctx, in.URL); server != "" {
					found[i] = fmt.Errorf("service %s: the server at %s is evabench's simulator (%s at scale %g), of which a report would not tell: "+
						"use evabench sweep --sim %s; or correct %s", svc.Name, in.URL, server, scale, server, svc.Key("launcher.instances"))
				}
			})
		}
		asking.Wait()
		faults = append(faults, found...)
	}
	return errors.Join(faults...)
}

// simulator gives the name of the simulated server that answers at a URL, and its scale; ""
// where none says so.
func simulator(ctx context.Context, url string) (server string, scale float64) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return "", 0
	}
	c := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a, err := c.Do(q)
	if err != nil {
		return "", 0
	}
	defer a.Body.Close()
	if scale, err = strconv.ParseFloat(a.Header.Get(sim.ScaleHeader), 64); err != nil {
		scale = sim.MinScale
	}
	return a.Header.Get(sim.Header), scale
}
