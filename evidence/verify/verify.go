// Package verify is the command line that checks a bundle on an auditor's own machine. It holds no
// SQL and no network code; with a clone it runs git, which reads the clone alone.
package verify

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/countersign/countersign/evidence"
)

// help is what --help prints, for the name by which the program was called.
const help = `%[1]s checks a bundle of evidence offline: that nothing in it was changed after it was
recorded, that nothing was left out, that the sample is the one of its seed, and that every
decision in it comes out again from its facts. It names the first thing that does not hold.

usage: %[1]s [flags] BUNDLE

The exit code is 0 when everything holds, 1 when something does not, 2 for a command line that
cannot be understood, and 3 when everything holds but the key is the bundle's own word: without
--key, anybody could have made the bundle.

example:
  %[1]s --key countersign.pub --checkpoint kept-in-march.txt --git acme/shop=clones/shop acme.zip`

// Outcomes that are no failures of the program.
var (
	// ErrUsage: the command line cannot be understood; the message has been printed.
	ErrUsage = errors.New("usage")
	// ErrBroken: the bundle does not hold; what is wrong has been printed.
	ErrBroken = errors.New("the bundle does not hold")
	// ErrSelfAsserted: everything holds, and the key is the bundle's own word.
	ErrSelfAsserted = errors.New("everything holds, but the key is the bundle's own word")
)

// ExitCode is what the program ends with.
func ExitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	case errors.Is(err, ErrSelfAsserted):
		return 3
	}
	return 1
}

// values collects a flag that may be given several times.
type values []string

func (v *values) String() string     { return strings.Join(*v, " ") }
func (v *values) Set(s string) error { *v = append(*v, s); return nil }

// order is what the command line asks for.
type order struct {
	bundle      string
	key         string
	checkpoints values
	clones      values
	witnesses   values
	needed      int
	anchor      string
	json        bool
}

func parse(program string, args []string, stderr io.Writer) (o order, err error) {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, help+"\n\nflags:\n", program)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.key, "key", "", "`file` with the log's public key, as you got it from the organisation or keep it since")
	flags.Var(&o.checkpoints, "checkpoint", "`file` with a checkpoint that you kept, or an earlier bundle: the log must begin with it; may be given again")
	flags.Var(&o.witnesses, "witness", "public `key` of a witness that you trust, as it publishes it; may be given again")
	flags.IntVar(&o.needed, "witnesses-needed", 0, "with --witness: this `number` of them must have cosigned all of the log")
	flags.StringVar(&o.anchor, "anchor", "", "`path` of your clone of the repository that checkpoints are kept in: every one that it ever kept is compared")
	flags.Var(&o.clones, "git", "`[owner/name=]path` of your clone of a repository, to compare its history; may be given again")
	flags.BoolVar(&o.json, "json", false, "print one JSON object")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, ErrUsage
	case flags.NArg() != 1:
		fmt.Fprintln(stderr, program+": name one bundle")
		return o, ErrUsage
	case o.needed < 0 || o.needed > len(o.witnesses):
		fmt.Fprintln(stderr, program+": --witnesses-needed is at most the number of witnesses that --witness names")
		return o, ErrUsage
	}
	o.bundle = flags.Arg(0)
	return o, nil
}

// Run is the command. program is what it calls itself: it is "countersign verify", and a program of
// its own. Its errors are the outcomes above, or that something could not be read.
func Run(ctx context.Context, program string, args []string, stdout, stderr io.Writer, progress func(done, total int64)) error {
	o, err := parse(program, args, stderr)
	if err != nil {
		return err
	}
	trust, err := o.trust(ctx, progress)
	if err != nil {
		return err
	}
	in, size, err := openFile(o.bundle)
	if err != nil {
		return err
	}
	defer in.Close()
	result := outcome{}
	result.Report, err = evidence.Verify(in, size, trust)
	if err == nil {
		result.Git, err = compareClones(ctx, result.Report.Mainlines, o.clones)
	}
	result.settle(err)
	if o.json {
		if err := json.NewEncoder(stdout).Encode(result); err != nil {
			return err
		}
	} else {
		result.print(stdout, o.bundle)
	}
	switch {
	case !result.OK:
		return ErrBroken
	case result.Report.SelfAsserted:
		return ErrSelfAsserted
	}
	return nil
}

// trust reads what the auditor has of their own.
func (o order) trust(ctx context.Context, progress func(done, total int64)) (evidence.Trust, error) {
	t := evidence.Trust{Progress: progress, WitnessesNeeded: o.needed}
	for _, text := range o.witnesses {
		key := strings.TrimSpace(text)
		if err := evidence.CheckWitness(key); err != nil || slices.Contains(t.Witnesses, key) {
			return t, fmt.Errorf("--witness %q is no key of a witness, or is there twice: %v", text, err)
		}
		t.Witnesses = append(t.Witnesses, key)
	}
	if o.key != "" {
		key, err := readSmall(o.key)
		if err != nil {
			return t, fmt.Errorf("the log's public key: %w", err)
		}
		t.Key = string(key)
	}
	if o.anchor != "" {
		anchors, err := Anchors(ctx, o.anchor)
		if err != nil {
			return t, fmt.Errorf("the anchored checkpoints: %w", err)
		}
		t.Anchors = anchors
	}
	for _, name := range o.checkpoints {
		signed, err := checkpointIn(name)
		if err != nil {
			return t, fmt.Errorf("the checkpoint %s: %w", name, err)
		}
		t.Checkpoints = append(t.Checkpoints, evidence.NamedCheckpoint{Name: name, Signed: signed})
	}
	return t, nil
}

// checkpointIn is the checkpoint in a file, which may be an earlier bundle.
func checkpointIn(name string) ([]byte, error) {
	if r, err := zip.OpenReader(name); err == nil {
		defer r.Close()
		in, err := r.Open(evidence.CheckpointFile)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		return io.ReadAll(io.LimitReader(in, maxSmall))
	}
	return readSmall(name)
}

// maxSmall bounds the files of keys and checkpoints.
const maxSmall = 64 << 10

func readSmall(name string) ([]byte, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxSmall+1))
	if err == nil && len(b) > maxSmall {
		err = fmt.Errorf("it is larger than %d bytes", maxSmall)
	}
	return b, err
}

func openFile(name string) (*os.File, int64, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("the bundle: %w", err)
	}
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, errors.Join(fmt.Errorf("the bundle %s is not a file", name), err, in.Close())
	}
	return in, info.Size(), nil
}
