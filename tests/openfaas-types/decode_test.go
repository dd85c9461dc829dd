// Every answer of the gateway, decoded strictly into the types that OpenFaaS publishes. The Rust tests write the answers
// to the directory in RESPONSES; the first word of a file's name says what is in it.
package openfaastypes

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/logs"
	"github.com/openfaas/faas-provider/types"
)

// gatewayInfo is the gateway's own answer around the provider's types.
type gatewayInfo struct {
	Provider *types.ProviderInfo `json:"provider"`
	Version  *types.VersionInfo  `json:"version"`
	Arch     string              `json:"arch"`
}

func into(kind string) any {
	switch kind {
	case "functions":
		return &[]types.FunctionStatus{}
	case "function":
		return &types.FunctionStatus{}
	case "secrets":
		return &[]types.Secret{}
	case "namespaces":
		return &[]string{}
	case "namespace":
		return &types.FunctionNamespace{}
	case "info":
		return &gatewayInfo{}
	case "log":
		return &logs.Message{}
	}
	return nil
}

func TestResponses(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(os.Getenv("RESPONSES"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no answers in RESPONSES=%q: %v", os.Getenv("RESPONSES"), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			value := into(strings.SplitN(strings.TrimSuffix(name, ".json"), "-", 2)[0])
			if value == nil {
				t.Fatalf("nobody knows what %s is", name)
			}
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(value); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
		})
	}
}
