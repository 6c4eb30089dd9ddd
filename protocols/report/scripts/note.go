package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
)

func main() {
	key, err := note.NewVerifier(os.Args[1])
	if err != nil {
		panic(err)
	}
	text, err := os.ReadFile("data/log/checkpoint")
	if err != nil {
		panic(err)
	}
	opened, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		panic(err)
	}
	fmt.Print("signature good\n", opened.Text)
}
