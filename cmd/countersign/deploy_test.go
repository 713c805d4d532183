package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
	"golang.org/x/mod/modfile"

	"github.com/countersign/countersign/config"
)

// What is shipped to run the server with is held to the server: settings, ports, probes, commands
// and how long it takes to stop.

var deployFolder = filepath.Join("..", "..", "deploy")

// deployed is what one of the ways to run the server gives it.
type deployed struct {
	args   []string          // of the program
	env    map[string]string // the environment, as far as it is known
	holds  []string          // folders and files that are there
	listen int               // the port that is expected
	grace  time.Duration     // from asking the process to end until it is killed
}

// check loads the settings as the server would, and returns them.
func (d deployed) check(t *testing.T, settings string) *config.Config {
	t.Helper()
	if len(d.args) != 3 || d.args[0] != "serve" || d.args[1] != "--config" {
		t.Fatalf("the program is run with %q", d.args)
	}
	text, err := os.ReadFile(filepath.Join(deployFolder, settings))
	mustDo(t, err)
	known := map[string]bool{}
	getenv := func(name string) string { known[name] = true; return d.env[name] }
	cfg, err := config.Load(d.args[2], getenv, func(name string) ([]byte, error) {
		switch {
		case !slices.ContainsFunc(d.holds, func(held string) bool { return name == held || path.Dir(name) == held }):
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		case name == d.args[2]:
			return text, nil
		}
		return []byte("a secret"), nil
	})
	mustDo(t, err)
	for name := range d.env {
		if !known[name] && (strings.HasPrefix(name, "COUNTERSIGN_") || strings.HasPrefix(name, "GITHUB_")) {
			t.Errorf("there is no setting %s", name)
		}
	}
	if !slices.Contains(d.holds, path.Dir(cfg.SigningKeyFile)) {
		t.Errorf("the signing key is in %s, which is not there", path.Dir(cfg.SigningKeyFile))
	}
	if got := portOf(t, cfg.Listen); got != d.listen {
		t.Errorf("the server listens on port %d, expected is %d", got, d.listen)
	}
	if d.grace < stopGrace+5*time.Second {
		t.Errorf("the server is killed after %s, and needs %s to stop", d.grace, stopGrace)
	}
	return cfg
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	mustDo(t, err)
	port, err := strconv.Atoi(text)
	mustDo(t, err)
	return port
}

// readYAML parses a file into a value. A key that is there twice is an error.
func readYAML(t *testing.T, into any, name ...string) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(append([]string{deployFolder}, name...)...))
	mustDo(t, err)
	if err := yaml.Unmarshal(src, into); err != nil {
		t.Fatalf("%s: %v", path.Join(name...), err)
	}
}

// image is what the Dockerfile makes.
type image struct {
	from, user, port             string
	entrypoint, command, healthy []string
	goVersion                    string // of the stage that builds
}

func readDockerfile(t *testing.T) image {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	mustDo(t, err)
	list := func(text string) (out []string) {
		mustDo(t, json.Unmarshal([]byte(text), &out))
		return out
	}
	var made image
	for line := range strings.Lines(string(src)) {
		switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "FROM":
			made.from = rest
			if _, tag, isGo := strings.Cut(rest, " golang:"); isGo {
				made.goVersion, _, _ = strings.Cut(tag, " ")
			}
		case "USER":
			made.user = rest
		case "EXPOSE":
			made.port = rest
		case "ENTRYPOINT":
			made.entrypoint = list(rest)
		case "CMD":
			made.command = list(rest)
		case "HEALTHCHECK":
			_, rest, _ = strings.Cut(rest, " CMD ")
			made.healthy = list(rest)
		}
	}
	return made
}

func TestImage(t *testing.T) {
	t.Parallel()
	made := readDockerfile(t)
	src, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	mustDo(t, err)
	mod, err := modfile.Parse("go.mod", src, nil)
	mustDo(t, err)
	if made.from != "scratch" || made.user != "65532:65532" {
		t.Errorf("the image is made from %q and runs as %q: want nothing beside ours, and not root", made.from, made.user)
	}
	if want := strings.TrimPrefix(mod.Toolchain.Name, "go"); made.goVersion != want {
		t.Errorf("it is built with Go %q, go.mod says %s", made.goVersion, want)
	}
	if want := append(slices.Clone(made.entrypoint), "health"); !slices.Equal(made.healthy, want) || !slices.Equal(made.command, []string{"serve"}) {
		t.Errorf("it runs %q %q, and its health is asked by %q", made.entrypoint, made.command, made.healthy)
	}
	for _, name := range []string{"serve", "health"} {
		if !slices.ContainsFunc(commands(), func(c command) bool { return c.name == name }) {
			t.Errorf("there is no command %s", name)
		}
	}
	address, err := localAddress(func(string) string { return "" })
	mustDo(t, err)
	if !strings.HasSuffix(address, ":"+made.port) {
		t.Errorf("its port is %s, the server is asked at %s", made.port, address)
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	var file struct {
		Services map[string]struct {
			Command, Ports, Volumes, Tmpfs []string
			CapDrop                        []string `yaml:"cap_drop"`
			SecurityOpt                    []string `yaml:"security_opt"`
			ReadOnly                       bool     `yaml:"read_only"`
			Environment                    map[string]string
			Stop                           string `yaml:"stop_grace_period"`
			User                           string
			DependsOn                      map[string]any `yaml:"depends_on"`
		}
	}
	readYAML(t, &file, "compose", "compose.yaml")
	s := file.Services["countersign"]
	if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.User != "" {
		t.Errorf("the server may do more than it has to: %+v", s)
	}
	for name := range s.DependsOn {
		if _, there := file.Services[name]; !there {
			t.Errorf("there is no service %s", name)
		}
	}
	d := deployed{args: s.Command, env: s.Environment, holds: s.Tmpfs}
	for _, v := range s.Volumes {
		d.holds = append(d.holds, strings.Split(v, ":")[1])
	}
	if len(s.Ports) != 1 || !strings.HasPrefix(s.Ports[0], "127.0.0.1:") {
		t.Fatalf("the server is reached at %q without TLS: want this machine alone", s.Ports)
	}
	_, inside, _ := strings.Cut(strings.TrimPrefix(s.Ports[0], "127.0.0.1:"), ":")
	var err error
	d.listen, err = strconv.Atoi(inside)
	mustDo(t, err)
	d.grace, err = time.ParseDuration(s.Stop)
	mustDo(t, err)
	if cfg := d.check(t, "compose/settings.yml"); cfg.SigningKeyFile != "/data/countersign.key" {
		t.Errorf("the signing key is at %s, which no volume keeps", cfg.SigningKeyFile)
	}
}

type labels map[string]string

// manifest is what this test looks at of any of the manifests for Kubernetes.
type manifest struct {
	Kind string
	Spec struct {
		Replicas int
		Selector any
		Strategy struct {
			RollingUpdate struct {
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		}
		MaxUnavailable int `yaml:"maxUnavailable"`
		Template       struct {
			Metadata struct{ Labels labels }
			Spec     pod
		}
		Ports []struct {
			Target string `yaml:"targetPort"`
		}
		PodSelector any `yaml:"podSelector"`
		Ingress     []struct {
			Ports []struct{ Port string }
		}
	}
}

type pod struct {
	Grace    int  `yaml:"terminationGracePeriodSeconds"`
	Token    bool `yaml:"automountServiceAccountToken"`
	Security struct {
		RunAsNonRoot bool                  `yaml:"runAsNonRoot"`
		User         int                   `yaml:"runAsUser"`
		Group        int                   `yaml:"fsGroup"`
		Seccomp      struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []container
}

type container struct {
	Args []string
	Env  []struct{ Name string }

	Ports []struct {
		Name   string
		Number int `yaml:"containerPort"`
	}
	Startup   probe `yaml:"startupProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	Security struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop []string }
	} `yaml:"securityContext"`
	Mounts []struct {
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTP struct{ Path, Port string } `yaml:"httpGet"`
}

// manifests are those that the kustomization names, by their kind. None is left out.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	var all struct {
		Resources  []string
		ConfigMaps []struct{ Files []string } `yaml:"configMapGenerator"`
	}
	readYAML(t, &all, "kubernetes", "kustomization.yaml")
	named := slices.Concat(all.Resources, all.ConfigMaps[0].Files, []string{"kustomization.yaml"})
	files, err := os.ReadDir(filepath.Join(deployFolder, "kubernetes"))
	mustDo(t, err)
	var there []string
	for _, f := range files {
		there = append(there, f.Name())
	}
	if slices.Sort(named); !slices.Equal(named, there) {
		t.Errorf("the kustomization names %q, the folder has %q", named, there)
	}
	found := map[string]manifest{}
	for _, name := range all.Resources {
		var m manifest
		readYAML(t, &m, "kubernetes", name)
		found[m.Kind] = m
	}
	return found
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	d := all["Deployment"].Spec
	if d.Replicas < 2 || d.Strategy.RollingUpdate.MaxUnavailable != 0 || all["PodDisruptionBudget"].Spec.MaxUnavailable >= d.Replicas {
		t.Errorf("deliveries are not always taken: %d servers, %d of them away", d.Replicas, d.Strategy.RollingUpdate.MaxUnavailable)
	}
	p, c := d.Template.Spec, d.Template.Spec.Containers[0]
	mine := fmt.Sprint(d.Template.Metadata.Labels)
	for kind, selector := range map[string]any{
		"Deployment": d.Selector, "Service": all["Service"].Spec.Selector,
		"PodDisruptionBudget": all["PodDisruptionBudget"].Spec.Selector, "NetworkPolicy": all["NetworkPolicy"].Spec.PodSelector,
	} {
		if got := fmt.Sprint(selector); got != mine && got != "map[matchLabels:"+mine+"]" {
			t.Errorf("%s selects %s, the pods have %s", kind, got, mine)
		}
	}
	if user := fmt.Sprintf("%d:%d", p.Security.User, p.Security.Group); p.Token || !p.Security.RunAsNonRoot || user != readDockerfile(t).user || p.Security.Seccomp.Type == "" {
		t.Errorf("the pod may do more than it has to: %+v", p.Security)
	}
	if s := c.Security; s.Escalation == nil || *s.Escalation || !s.ReadOnly || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the container may do more than it has to: %+v", s)
	}
	ports := map[string]int{}
	for _, port := range c.Ports {
		ports[port.Name] = port.Number
	}
	run := deployed{args: c.Args, env: map[string]string{}, listen: ports[all["Service"].Spec.Ports[0].Target]}
	run.grace = time.Duration(p.Grace-c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	for _, e := range c.Env {
		run.env[e.Name] = "postgres://countersign@postgres/countersign"
	}
	for _, m := range c.Mounts {
		run.holds = append(run.holds, m.Path)
	}
	cfg := run.check(t, "kubernetes/settings.yml")
	if got := portOf(t, cfg.MetricsListen); got != ports["metrics"] {
		t.Errorf("metrics are at port %d, the container has %v", got, ports)
	}
	for _, rule := range all["NetworkPolicy"].Spec.Ingress {
		if ports[rule.Ports[0].Port] == 0 {
			t.Errorf("the network lets %q in, the container has %v", rule.Ports[0].Port, ports)
		}
	}
	probesAnswer(t, ports, c.Startup, c.Liveness, c.Readiness)
}

// probesAnswer asks the real server what the probes ask.
func probesAnswer(t *testing.T, ports map[string]int, probes ...probe) {
	t.Helper()
	w := startAcme(t, fast)
	for _, p := range probes {
		if p.HTTP.Port != "http" || ports["http"] == 0 {
			t.Errorf("a probe asks port %q", p.HTTP.Port)
		}
		if status, body := get(t, "http://"+w.server.listener.Addr().String()+p.HTTP.Path); status != http.StatusOK {
			t.Errorf("%s is answered %d: %s", p.HTTP.Path, status, body)
		}
	}
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(filepath.Join(deployFolder, "systemd", "countersign.service"))
	mustDo(t, err)
	unit := map[string]string{}
	for line := range strings.Lines(string(src)) {
		if key, value, isSetting := strings.Cut(strings.TrimSpace(line), "="); isSetting && !strings.HasPrefix(key, "#") {
			unit[key] += value
		}
	}
	for key, want := range map[string]string{
		"User": "countersign", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes",
		"PrivateTmp": "yes", "UMask": "0077", "StateDirectory": "countersign", "StateDirectoryMode": "0700", "SystemCallErrorNumber": "EPERM",
	} {
		if got, there := unit[key]; got != want || !there {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	state := "/var/lib/" + unit["StateDirectory"]
	d := deployed{args: strings.Fields(unit["ExecStart"])[1:], holds: []string{"/etc/countersign", state}, listen: 8080}
	seconds, err := strconv.Atoi(unit["TimeoutStopSec"])
	mustDo(t, err)
	d.grace = time.Duration(seconds) * time.Second
	cfg := d.check(t, "systemd/settings.yml")
	// Nothing else can be written to.
	for _, file := range []string{strings.TrimPrefix(cfg.DatabaseURL, "sqlite:"), cfg.SigningKeyFile} {
		if path.Dir(file) != state || unit["WorkingDirectory"] != state {
			t.Errorf("%s is not in %s", file, state)
		}
	}
}
