package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// runOptions describe services that run already.
type runOptions struct {
	sweepOptions
	name            string
	agentURLs       []string
	agentModel      string
	agentUsers      int
	agentThink      time.Duration
	agentMaxTokens  int
	agentInspect    int
	agentScrape     string
	agentAPIKeyEnv  string
	agentAPIKeyFile string
	visionURLs      []string
	visionModels    []string
	visionRate      float64
	visionUsers     int
	visionScrape    string
	imageFolder     string
	imageWidth      int
	imageHeight     int
	imageKilobytes  int
	warmup, window  time.Duration
	collect         time.Duration
	timeout         time.Duration
	seed            uint64
}

func newRun(s streams) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Drive services that run already, as they are, and report",
		Long: `Run drives one level of load at servers that run already, changes nothing about
them, and reports as sweep does. The scenario that the flags amount to is kept
in the run directory and can be used with sweep.`,
		Example: `  evabench run --agent-url http://127.0.0.1:8000 --agent-model qwen3-vl-8b --agent-users 4 --window 60s
  evabench run --vision-url http://127.0.0.1:8080 --vision-model rt-detrv2,owl-v2 --vision-rate 20`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			for _, side := range []string{"agent", "vision"} {
				if err := needsURL(c.Flags(), side); err != nil {
					return &usageError{err}
				}
			}
			if err := o.check(c.Flags()); err != nil {
				return &usageError{err}
			}
			if !c.Flags().Changed("collect") {
				o.collect = min(o.collect, o.window)
			}
			data, err := o.scenario()
			if err != nil {
				return &usageError{err}
			}
			b, err := openData(c.Context(), theFlags, data, o.sweepOptions.open(), s)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.close(c.Context())) }()
			return b.sweep(c.Context(), o.sweepOptions, s)
		},
	}
	o.sweepOptions.flags(c)
	f := c.Flags()
	f.StringVar(&o.name, "name", "run", "`NAME` of the run")
	f.StringSliceVar(&o.agentURLs, "agent-url", nil, "base `URL` of each Agent server (vLLM or another that speaks OpenAI's chat API)")
	f.StringVar(&o.agentModel, "agent-model", "", "`MODEL` name that the Agent server knows")
	f.IntVar(&o.agentUsers, "agent-users", 4, "agents in the closed loop")
	f.DurationVar(&o.agentThink, "agent-think", 0, "pause of an agent between sessions")
	f.IntVar(&o.agentMaxTokens, "agent-max-tokens", 64, "bound on the tokens of an answer")
	f.IntVar(&o.agentInspect, "agent-inspect", 2, "image calls in a session")
	f.StringVar(&o.agentScrape, "agent-scrape", "vllm", "`KIND` of the Agent server's metrics page, or none")
	f.StringVar(&o.agentAPIKeyEnv, "agent-api-key-env", "", "`VARIABLE` that holds the Agent server's API key")
	f.StringVar(&o.agentAPIKeyFile, "agent-api-key-file", "", "`FILE` that holds the Agent server's API key")
	f.StringSliceVar(&o.visionURLs, "vision-url", nil, "base `URL` of each Vision server (TorchServe)")
	f.StringSliceVar(&o.visionModels, "vision-model", nil, "`MODEL` names, in equal shares")
	f.Float64Var(&o.visionRate, "vision-rate", 0, "Vision requests a second, Poisson")
	f.IntVar(&o.visionUsers, "vision-users", 0, "Vision clients in a closed loop, instead of a rate")
	f.StringVar(&o.visionScrape, "vision-scrape", "none", "`KIND=URL` of the Vision server's page (torchserve=http://HOST:8081), or none")
	f.StringVar(&o.imageFolder, "image-folder", "", "take JPEG images from `DIR` instead of drawing them")
	f.IntVar(&o.imageWidth, "image-width", 1280, "width of drawn images in pixels")
	f.IntVar(&o.imageHeight, "image-height", 720, "height of drawn images in pixels")
	f.IntVar(&o.imageKilobytes, "image-kilobytes", 100, "size of drawn images, about")
	f.DurationVar(&o.warmup, "warmup", 10*time.Second, "load before the window")
	f.DurationVar(&o.window, "window", time.Minute, "span whose arrivals count")
	f.DurationVar(&o.collect, "collect", time.Second, "how often pages are read; the default is the window where that is shorter")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "time limit of one request")
	f.Uint64Var(&o.seed, "seed", 1, "seed of everything that is drawn")
	return c
}

// needsURL refuses flags of a side that is not driven.
func needsURL(flags *pflag.FlagSet, side string) (err error) {
	if flags.Changed(side + "-url") {
		return nil
	}
	flags.Visit(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, side+"-") {
			err = fmt.Errorf("--%s says nothing without --%s-url", f.Name, side)
		}
	})
	return err
}

// check refuses flags that say nothing, and times that no request waits for.
func (o *runOptions) check(flags *pflag.FlagSet) error {
	for _, name := range []string{"image-width", "image-height", "image-kilobytes"} {
		if o.imageFolder != "" && flags.Changed(name) {
			return fmt.Errorf("--%s says nothing with --image-folder, whose images are sent as they are", name)
		}
	}
	for _, f := range []struct {
		name string
		span time.Duration
	}{{"timeout", o.timeout}, {"agent-think", o.agentThink}} {
		if f.span > scenarios.MaxWait {
			return fmt.Errorf("--%s is at most %v, not %v", f.name, scenarios.MaxWait, f.span)
		}
	}
	return nil
}

// scenario writes the scenario that the flags amount to.
func (o *runOptions) scenario() ([]byte, error) {
	if len(o.agentURLs)+len(o.visionURLs) == 0 {
		return nil, errors.New("nothing to drive: give --agent-url or --vision-url")
	}
	services := yaml.MapSlice{}
	if len(o.visionURLs) > 0 {
		v, err := o.vision()
		if err != nil {
			return nil, err
		}
		services = append(services, yaml.MapItem{Key: "vision", Value: v})
	}
	if len(o.agentURLs) > 0 {
		a, err := o.agent()
		if err != nil {
			return nil, err
		}
		services = append(services, yaml.MapItem{Key: "agent", Value: a})
	}
	return yaml.Marshal(yaml.MapSlice{
		{Key: "version", Value: 1},
		{Key: "name", Value: o.name},
		{Key: "about", Value: "Servers that ran already, as they were found."},
		{Key: "server", Value: yaml.MapSlice{{Key: "backend", Value: yaml.MapSlice{{Key: "kind", Value: "none"}}}}},
		{Key: "services", Value: services},
		{Key: "steps", Value: yaml.MapSlice{{Key: "warmup", Value: o.warmup.String()}, {Key: "window", Value: o.window.String()}}},
		{Key: "collect", Value: yaml.MapSlice{{Key: "every", Value: o.collect.String()}}},
		{Key: "seed", Value: o.seed},
		{Key: "matrix", Value: yaml.MapSlice{{Key: "layout", Value: []string{"off"}}}},
	})
}

func (o *runOptions) agent() (yaml.MapSlice, error) {
	for _, u := range o.agentURLs {
		if base, had := strings.CutSuffix(strings.TrimSuffix(u, "/"), "/v1"); had {
			return nil, fmt.Errorf("--agent-url %s: leave /v1 out, requests go to URL/v1/chat/completions: --agent-url %s", u, base)
		}
	}
	if o.agentModel == "" {
		return nil, fmt.Errorf("--agent-url needs --agent-model, the name that the server knows; %s lists its names", runner.Curl(strings.TrimSuffix(o.agentURLs[0], "/")+"/v1/models"))
	}
	instances, err := instances("--agent-url", o.agentURLs, "")
	if err != nil {
		return nil, err
	}
	endpoint := yaml.MapSlice{{Key: "kind", Value: "openai-chat"}, {Key: "stream", Value: true}}
	if o.agentAPIKeyEnv != "" {
		endpoint = append(endpoint, yaml.MapItem{Key: "api_key_env", Value: o.agentAPIKeyEnv})
	}
	if o.agentAPIKeyFile != "" {
		endpoint = append(endpoint, yaml.MapItem{Key: "api_key_file", Value: o.agentAPIKeyFile})
	}
	a := yaml.MapSlice{
		{Key: "role", Value: "agent"},
		{Key: "launcher", Value: yaml.MapSlice{{Key: "kind", Value: "external"}, {Key: "instances", Value: instances}}},
		{Key: "endpoint", Value: endpoint},
		{Key: "models", Value: yaml.MapSlice{{Key: o.agentModel, Value: yaml.MapSlice{}}}},
		{Key: "workload", Value: yaml.MapSlice{
			{Key: "kind", Value: "agent"}, {Key: "model", Value: o.agentModel},
			{Key: "inspect", Value: o.agentInspect}, {Key: "max_tokens", Value: o.agentMaxTokens},
			{Key: "images", Value: o.images()},
		}},
		{Key: "load", Value: yaml.MapSlice{
			{Key: "arrivals", Value: "closed"}, {Key: "levels", Value: []int{o.agentUsers}}, {Key: "think", Value: o.agentThink.String()},
		}},
		{Key: "timeout", Value: o.timeout.String()},
		{Key: "percentiles", Value: []float64{0.5, 0.9, 0.95, 0.99}},
	}
	if o.agentScrape != "none" {
		a = append(a, yaml.MapItem{Key: "scrape", Value: []yaml.MapSlice{{{Key: "kind", Value: o.agentScrape}}}})
	}
	return a, nil
}

func (o *runOptions) vision() (yaml.MapSlice, error) {
	switch {
	case len(o.visionModels) == 0:
		return nil, fmt.Errorf("--vision-url needs --vision-model, the names that the server knows; TorchServe lists them: %s; for another server than TorchServe write a scenario: evabench init", runner.Curl(managementPage(o.visionURLs[0])))
	case (o.visionRate > 0) == (o.visionUsers > 0):
		return nil, errors.New("give either --vision-rate or --vision-users, above 0")
	}
	instances, err := instances("--vision-url", o.visionURLs, o.visionScrape)
	if err != nil {
		return nil, err
	}
	var classes []yaml.MapSlice
	models := yaml.MapSlice{}
	for _, m := range o.visionModels {
		classes = append(classes, yaml.MapSlice{{Key: "name", Value: m}, {Key: "model", Value: m}, {Key: "weight", Value: 1}})
		models = append(models, yaml.MapItem{Key: m, Value: yaml.MapSlice{}})
	}
	load := yaml.MapSlice{{Key: "arrivals", Value: "poisson"}, {Key: "levels", Value: []float64{o.visionRate}}}
	if o.visionUsers > 0 {
		load = yaml.MapSlice{{Key: "arrivals", Value: "closed"}, {Key: "levels", Value: []int{o.visionUsers}}}
	}
	v := yaml.MapSlice{
		{Key: "role", Value: "vision"},
		{Key: "launcher", Value: yaml.MapSlice{{Key: "kind", Value: "external"}, {Key: "instances", Value: instances}}},
		{Key: "endpoint", Value: yaml.MapSlice{{Key: "kind", Value: "torchserve"}}},
		{Key: "models", Value: models},
		{Key: "workload", Value: yaml.MapSlice{{Key: "kind", Value: "vision"}, {Key: "images", Value: o.images()}, {Key: "classes", Value: classes}}},
		{Key: "load", Value: load},
		{Key: "timeout", Value: o.timeout.String()},
		{Key: "percentiles", Value: []float64{0.5, 0.9, 0.95, 0.99}},
	}
	if kind, _, ok := strings.Cut(o.visionScrape, "="); ok {
		v = append(v, yaml.MapItem{Key: "scrape", Value: []yaml.MapSlice{{{Key: "kind", Value: kind}}}})
	} else if o.visionScrape != "none" {
		return nil, fmt.Errorf("--vision-scrape %q is not KIND=URL or none", o.visionScrape)
	}
	return v, nil
}

// managementPage is where TorchServe lists its models unless somebody moved it.
func managementPage(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return "http://HOST:8081/models"
	}
	return "http://" + net.JoinHostPort(u.Hostname(), "8081") + "/models"
}

// images is the images part of a workload.
func (o *runOptions) images() yaml.MapSlice {
	if o.imageFolder != "" {
		return yaml.MapSlice{{Key: "folder", Value: o.imageFolder}}
	}
	return yaml.MapSlice{
		{Key: "width", Value: o.imageWidth}, {Key: "height", Value: o.imageHeight}, {Key: "kilobytes", Value: o.imageKilobytes},
	}
}

// instances lists external instances; scrape is KIND=URL for the only one, or
// has no "=".
func instances(flag string, urls []string, scrape string) ([]yaml.MapSlice, error) {
	kind, page, ok := strings.Cut(scrape, "=")
	if ok && len(urls) > 1 {
		return nil, fmt.Errorf("a page's URL can be given for one server only; %s names %d: write a scenario", flag, len(urls))
	}
	var all []yaml.MapSlice
	for _, u := range urls {
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return nil, fmt.Errorf("%s %q is no URL; say http://HOST:PORT", flag, u)
		} else if parsed.User != nil {
			return nil, fmt.Errorf("%s: the URL holds a user name or password, which would stand in the results; see --agent-api-key-env and --agent-api-key-file", flag)
		}
		in := yaml.MapSlice{{Key: "url", Value: u}}
		if ok {
			in = append(in, yaml.MapItem{Key: "scrapes", Value: yaml.MapSlice{{Key: kind, Value: page}}})
		}
		all = append(all, in)
	}
	return all, nil
}
