//go:build long

package main_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// longDocuments are those whose commands take longest. Each has a test of its own:
// subtests that run in parallel begin when all other tests have begun, and so the
// longest would end alone.
var longDocuments = []string{"tutorial.md", "problems.md", "how-dr-works.md", "operations.md", "lab.md"}

// What all documents tell the reader to type works.
func TestTheCommandsOfTheTutorialRun(t *testing.T)     { playDocument(t, longDocuments[0]) }
func TestTheCommandsOfTheProblemsRun(t *testing.T)     { playDocument(t, longDocuments[1]) }
func TestTheCommandsOfHowDRWorksRun(t *testing.T)      { playDocument(t, longDocuments[2]) }
func TestTheCommandsForOperationsRun(t *testing.T)     { playDocument(t, longDocuments[3]) }
func TestTheCommandsOfTheLabsDocumentRun(t *testing.T) { playDocument(t, longDocuments[4]) }
func TestTheCommandsOfTheOtherDocumentsRun(t *testing.T) {
	t.Parallel()
	for _, doc := range documents(t) {
		name := filepath.Base(doc)
		runs := slices.ContainsFunc(docBlocks(t, doc), func(b docBlock) bool { return strings.HasPrefix(b.mark, "sh") })
		if runs && name != "README.md" && !slices.Contains(longDocuments, name) {
			t.Run(name, func(t *testing.T) { playDocument(t, name) })
		}
	}
}
