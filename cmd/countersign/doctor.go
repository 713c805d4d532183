package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/doctor"
	"github.com/countersign/countersign/handlers"
)

const doctorHelp = `countersign doctor says what is wrong with an installation, and what to change.

It looks at the settings, the clock, the database, keys and certificates, the App on GitHub with
its permissions, events and deliveries, and of every repository the policy, how the enrolled
branches are protected, who may bypass that, and whether the teams that the policy names hold
people who can approve. It reads only, with the settings of the server: run it where and as
countersign serve runs. docs/doctor.md lists what it looks at.

It exits with 0 when nothing is found above the severity low, else with 1. What could not be
looked at counts as found.

example:
  countersign doctor --org acme`

// errUnwell is an installation with which something is wrong; what has been printed.
type errUnwell int

func (n errUnwell) Error() string {
	if n == 1 {
		return "1 finding is above low"
	}
	return fmt.Sprintf("%d findings are above low", int(n))
}

func runDoctor(ctx context.Context, args []string, env environment) error {
	flags := newFlags("doctor", env.stderr, doctorHelp)
	file := flags.String("config", "", "YAML `file` with settings, as of serve")
	org := flags.String("org", "", "look at this organisation alone, by `login`")
	asJSON := flags.Bool("json", false, "print the whole report as one JSON object")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	settings, err := examined(env, *file, *org)
	if err != nil {
		return err
	}
	report := doctor.Examine(ctx, settings)
	if *asJSON {
		err = json.NewEncoder(env.stdout).Encode(report)
	} else {
		printExamination(env.stdout, report)
	}
	if n := report.AboveLow(); err == nil && n > 0 {
		return errUnwell(n)
	}
	return err
}

// examined is what an examination looks at.
func examined(env environment, file, org string) (doctor.Settings, error) {
	manifest, err := countersign.ReadManifest()
	return doctor.Settings{
		Load:     func() (*config.Config, error) { return config.Load(file, env.getenv, os.ReadFile) },
		Manifest: manifest, HookPath: handlers.HookPath, Organisation: org, Free: freeBytes,
		UserAgent: "countersign/" + version, Now: time.Now, Looked: progress(env.stderr, "repositories that were looked at"),
	}, err
}

// freeBytes is how much room there is where a folder is, for who is not root.
func freeBytes(folder string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

func printExamination(w io.Writer, r doctor.Report) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-6s  %s: %s\n        %s\n        do: %s\n", f.Severity, f.Check, visible(f.Subject), visible(f.What), visible(f.Remedy))
		if f.Link != "" {
			fmt.Fprintf(w, "        at: %s\n", visible(f.Link))
		}
	}
	if len(r.Observed) > 0 {
		fmt.Fprintln(w, "seen, and not wrong:")
	}
	for _, o := range r.Observed {
		fmt.Fprintf(w, "        %s: %s: %s\n", o.Check, visible(o.Subject), visible(o.What))
	}
	fmt.Fprintf(w, "%d organisations, %d repositories and %d enrolled branches were looked at; %d findings, %d of them above low.\n",
		r.Organisations, r.Repositories, r.Branches, len(r.Findings), r.AboveLow())
}
