// Command countersign enforces change management on GitHub and proves that it did:
// `countersign serve` is the App, the other commands are for the people around it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/countersign/countersign/evidence/verify"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	os.Exit(exitCode(err, os.Stderr))
}

// command is one subcommand.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, env environment) error
}

// environment is what a command may use of the process that it runs in.
type environment struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// commands are listed in the order in which a newcomer meets them.
func commands() []command {
	return []command{
		{"demo", "play the story of a simulated organisation and keep it running", runDemo},
		{"classify", "say which changes carry traces of agents: JSON lines, or a local clone", func(ctx context.Context, args []string, env environment) error {
			return runClassify(ctx, args, env.stdin, env.stdout, env.stderr)
		}},
		{"policy", "check, show and try out policy files", runPolicy},
		{"setup", "register the GitHub App, and keep its credentials", runSetup},
		{"serve", "run the App", runServe},
		{"health", "ask a server on this machine whether it is alive, for containers", runHealth},
		{"doctor", "say what is wrong with an installation, and what to change", runDoctor},
		{"firstday", "say what a policy would have held of what was merged before", runFirstDay},
		{"protect", "require our check on a branch, and attest who may bypass its rulesets", runProtect},
		{"exceptions", "list, show and close what did not hold", runExceptions},
		{"notify", "send a test to whoever is told of exceptions", runNotify},
		{"backfill", "have read what reached branches before they were enrolled", runBackfill},
		{"reconcile", "compare with GitHub what is open, and have looked at what is missing", runReconcile},
		{"export", "write the evidence of an audit period into one file", runExport},
		{"verify", "check such a file, offline", runVerify},
		{"corroborate", "ask GitHub again what such a file says, with your own token", runCorroborate},
		{"agents", "say what agents did", runAgents},
		{"access", "say who exported evidence", runAccess},
		{"retention", "say what was disposed of, and place legal holds", runRetention},
		{"person", "export or erase what is held about one account", runPerson},
		{"ledger", "check the decision log: re-hash all of it", runLedger},
		{"backup", "copy the database while the server runs", runBackup},
		{"restore", "make a database of a backup, or try whether that can be done", runRestore},
		{"migrate", "move an installation from SQLite to PostgreSQL", runMigrate},
		{"version", "print the version", runVersion},
	}
}

// errUsage is a command line that cannot be understood; the message has been printed.
var errUsage = errors.New("usage")

// run is the whole program, without the process around it.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	env := environment{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		printUsage(stderr)
		return errUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		if len(args) > 1 {
			return run(ctx, []string{args[1], "-h"}, getenv, stdin, stdout, stderr)
		}
		printUsage(stdout)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], env)
		}
	}
	fmt.Fprintf(stderr, "countersign: there is no command %q\n\n", args[0])
	printUsage(stderr)
	return errUsage
}

// runBelow runs one of the commands below another, by its name.
func runBelow(ctx context.Context, name, help string, below map[string]func(context.Context, []string, environment) error, args []string, env environment) error {
	if len(args) == 0 {
		fmt.Fprintln(env.stderr, help)
		return errUsage
	}
	if isHelp(args[0]) {
		fmt.Fprintln(env.stdout, help)
		return flag.ErrHelp
	}
	if run, ok := below[args[0]]; ok {
		return run(ctx, args[1:], env)
	}
	fmt.Fprintf(env.stderr, "countersign %s: there is no command %q\n\n%s\n", name, args[0], help)
	return errUsage
}

func isHelp(arg string) bool { return slices.Contains([]string{"-h", "-help", "--help", "help"}, arg) }

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Countersign holds agent-authored changes until an independent human has countersigned them.\n\nusage: countersign COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nexample: countersign demo\n`countersign COMMAND -h` shows a command's flags with an example.\n")
}

// exitCode is 0 for success, 2 for a command line that cannot be understood, 3 for a bundle that
// holds by its own word alone, else 1.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage), errors.Is(err, verify.ErrUsage):
		return 2
	}
	fmt.Fprintln(stderr, "countersign:", err)
	return verify.ExitCode(err)
}

// newFlags makes the flags of a command, with help that shows how it is used.
func newFlags(name string, stderr io.Writer, help string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, help)
		some := false
		flags.VisitAll(func(*flag.Flag) { some = true })
		if some {
			fmt.Fprint(stderr, "\nflags:\n")
			flags.PrintDefaults()
		}
	}
	return flags
}

// parseSome parses args and leaves what is no flag to the command.
func parseSome(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return errUsage
	}
	return err
}

// parseFlags parses args and refuses what is left over.
func parseFlags(flags *flag.FlagSet, args []string) error {
	if err := parseSome(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(flags.Output(), "countersign %s: %q is one argument too many\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}
