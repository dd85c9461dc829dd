module continuum.test/openfaas-types

go 1.24

require github.com/openfaas/faas-provider v0.25.12
