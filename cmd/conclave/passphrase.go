package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

const maxPassphrase = 4096 // bytes

// passphrase reads one from a file, or else asks for it on the terminal, twice
// where it is a new one. It is never an argument or in the environment, where
// other programs would see it.
func (a *app) passphrase(file string, fresh bool) (string, error) {
	if file != "" {
		return passphraseFrom(file)
	}
	if !isTerminal(a.stdin) {
		e := usage("no passphrase, and stdin is not a terminal to ask for it")
		e.Hint = "--passphrase-file F; F may be /dev/fd/3"
		return "", e
	}
	first, err := a.askSecret("passphrase: ")
	if err != nil || !fresh {
		return first, err
	}
	again, err := a.askSecret("again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", usage("the two passphrases differ")
	}
	return first, nil
}

// askSecret asks without echo.
func (a *app) askSecret(prompt string) (string, error) {
	fmt.Fprint(a.stderr, prompt)
	b, err := term.ReadPassword(int(a.stdin.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return "", err
	}
	return checkPassphrase(string(b))
}

func passphraseFrom(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", usage("--passphrase-file: %s", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxPassphrase+2)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", usage("--passphrase-file: %s", err)
	}
	return checkPassphrase(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
}

func checkPassphrase(p string) (string, error) {
	switch {
	case p == "":
		return "", usage("the passphrase is empty")
	case len(p) > maxPassphrase:
		return "", usage("the passphrase is longer than %d bytes", maxPassphrase)
	}
	return p, nil
}
