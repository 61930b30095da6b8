// Package external stands for services that run already: it starts and stops
// nothing, and tells where they are.
package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// Config lists the running instances.
type Config struct {
	Instances []Instance `yaml:"instances"`
}

// An Instance is one running server.
type Instance struct {
	// URL is where requests go, without the protocol's path:
	// http://10.0.0.7:8000.
	URL string `yaml:"url"`
	// Device is the UUID of the device it runs on, if it is known.
	Device string `yaml:"device"`
	// Scrapes gives the base URL of the page of each kind of source. A kind
	// that the service scrapes and that stands not here is read at URL.
	Scrapes map[string]string `yaml:"scrapes"`
}

// Kind is the launcher for services that run already.
var Kind = kind.New("external", "services that run already, at given URLs", Config{}, New)

// New checks every URL; it opens no connection.
func New(c Config) (services.Launcher, error) {
	if len(c.Instances) == 0 {
		return nil, errors.New("launcher external: instances is empty; give at least one {url: …}")
	}
	for i, in := range c.Instances {
		if err := checkURL(in.URL); err != nil {
			return nil, fmt.Errorf("launcher external: instance %d: %w", i, err)
		}
		for kind, page := range in.Scrapes {
			if err := checkURL(page); err != nil {
				return nil, fmt.Errorf("launcher external: instance %d: page of %s: %w", i, kind, err)
			}
		}
	}
	return launcher{c.Instances}, nil
}

// checkURL tells what is wrong with a URL, without what may be secret in it.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if strings.Contains(text, "@") && (err != nil || u.User != nil || u.Host == "") {
		return errors.New("a URL holds a user name or password, which would stand in the results; use the endpoint's api_key_env")
	}
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err // it says the URL
	}
	text = text[:strings.IndexAny(text+"?", "?#")]
	switch {
	case err != nil:
		return fmt.Errorf("URL %q: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("URL %q does not begin with http:// or https://", text)
	case u.Host == "":
		return fmt.Errorf("URL %q has no host", text)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("URL %q has a query or fragment; give the base only", text)
	}
	return nil
}

type launcher struct{ instances []Instance }

// Instances is how many servers there are.
func (l launcher) Instances() int { return len(l.instances) }

// probeWithin bounds the wait for one connection.
const probeWithin = 5 * time.Second

// Probe connects to every instance once and sends nothing.
func (l launcher) Probe(ctx context.Context) error {
	var faults []error
	for _, in := range l.instances {
		u, err := url.Parse(in.URL) // New has read it before
		if err != nil {
			return err
		}
		port := u.Port()
		if port == "" {
			port = u.Scheme // the port's name
		}
		d := net.Dialer{Timeout: probeWithin}
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s cannot be reached: %w; is the server running, and the URL right?", in.URL, err))
			continue
		}
		faults = append(faults, c.Close())
	}
	return errors.Join(faults...)
}

// Launch tells where the i.Index-th server is. Whether it answers is found
// by the readiness request.
func (l launcher) Launch(_ context.Context, i services.Instance) (services.Service, error) {
	if i.Index >= len(l.instances) {
		return nil, fmt.Errorf("launch %s: only %d instances of %s run", i.Name, len(l.instances), i.Service)
	}
	in := l.instances[i.Index]
	info := results.Instance{Service: i.Service, Name: i.Name, Device: in.Device, URL: in.URL}
	if info.Device == "" {
		info.Device = i.Device.UUID
	}
	for _, kind := range slices.Sorted(maps.Keys(in.Scrapes)) {
		info.Scrapes = append(info.Scrapes, results.Scrape{Kind: kind, URL: in.Scrapes[kind]})
	}
	return service{info}, nil
}

type service struct{ info results.Instance }

func (s service) Info() results.Instance     { return s.info }
func (s service) Stop(context.Context) error { return nil }
func (s service) Err() error                 { return nil }
