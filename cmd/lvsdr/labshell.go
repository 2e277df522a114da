package main

import (
	"github.com/spf13/cobra"
)

func newLabShell() *cobra.Command {
	return &cobra.Command{Use: "shell", RunE: func(*cobra.Command, []string) error { return nil }}
}
