package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every command that a document shows, in a block or in a sentence, is one that the program has, with
// these flags, and every target of make is there. Commands stand in blocks of sh, or this would not
// find them.
func TestCommandsInDocuments(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	mustDo(t, err)
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	mustDo(t, err)
	found := 0
	for _, doc := range append(documents, filepath.Join(root, "README.md")) {
		src, err := os.ReadFile(doc)
		mustDo(t, err)
		for _, m := range otherBlock.FindAllStringSubmatch(string(src), -1) {
			t.Errorf("%s: a command stands in a block that is not sh: %s", filepath.Base(doc), m[1])
		}
		for _, words := range append(commandsIn(string(src)), commandsInSentences(string(src))...) {
			switch words[0] {
			case "countersign", "bin/countersign":
				found++
				checkCommand(t, filepath.Base(doc), words[1:])
			case "countersign-verify":
				// It is the same command: evidence/verify.
				found++
				checkCommand(t, filepath.Base(doc), append([]string{"verify"}, words[1:]...))
			case "make":
				found++
				if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(words[1]) + `:`).Match(makefile) {
					t.Errorf("%s: there is no target %s", filepath.Base(doc), words[1])
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d commands were found", found)
	}
}

var (
	shellBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```")
	anyBlock   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	otherBlock = regexp.MustCompile("(?m)^ *```\n *(countersign .*)$")
	inSentence = regexp.MustCompile("`(countersign(?:-verify)?\\s[a-z-][^`]*)`")
	substitute = regexp.MustCompile(`\$\([^)]*\)`)
	separator  = regexp.MustCompile(`&&|\|\|?|;|\n`)
	assignment = regexp.MustCompile(`^[A-Z0-9_]+=\S*\s+`)
)

// commandsIn are the commands in the blocks of a document, as words, without what stands before them.
func commandsIn(text string) (commands [][]string) {
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		script := substitute.ReplaceAllString(strings.ReplaceAll(block[1], "\\\n", " "), "X")
		for _, one := range separator.Split(script, -1) {
			one = strings.TrimSpace(one)
			for assignment.MatchString(one) {
				one = assignment.ReplaceAllString(one, "")
			}
			one, _, _ = strings.Cut(one, " #")
			words := strings.Fields(strings.TrimPrefix(one, "sudo -u countersign "))
			if len(words) > 1 {
				commands = append(commands, words)
			}
		}
	}
	return commands
}

// commandsInSentences are those that stand between backquotes, which may go on in the next line.
func commandsInSentences(text string) (commands [][]string) {
	for _, m := range inSentence.FindAllStringSubmatch(anyBlock.ReplaceAllString(text, ""), -1) {
		commands = append(commands, strings.Fields(m[1]))
	}
	return commands
}

// checkCommand asks the program for the help of a command, and of the one below it, if there is one.
func checkCommand(t *testing.T, doc string, words []string) {
	t.Helper()
	var help bytes.Buffer
	ask := func(args ...string) error {
		return run(t.Context(), append(args, "-h"), func(string) string { return "" }, strings.NewReader(""), &help, &help)
	}
	if err := ask(words[0]); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("%s: countersign %s: %v", doc, words[0], err)
		return
	}
	grouped := !strings.Contains(help.String(), "\nflags:\n") || len(words) > 1 && strings.Contains(help.String(), "       countersign "+words[0]+" "+words[1]+" ")
	if grouped && len(words) > 1 && !strings.HasPrefix(words[1], "-") {
		if err := ask(words[0], words[1]); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%s: countersign %s %s: %v", doc, words[0], words[1], err)
		}
	}
	for _, word := range slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, "-") || isHelp(w) }) {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !regexp.MustCompile(`(?m)^  -` + regexp.QuoteMeta(name) + `( |$|\t)`).MatchString(help.String()) {
			t.Errorf("%s: countersign %s has no flag %s", doc, strings.Join(words, " "), word)
		}
	}
}
