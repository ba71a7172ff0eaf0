.DEFAULT_GOAL := help
.PHONY: help demo test e2e down bench chaos chaos-smoke docs images verify generate

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: ## five governed runs on a real local Kubernetes, or CONTEXT= of your own; ASK=1 lets you decide; EXAMPLE=ops
	@hack/venv && .venv/bin/python -m hack.demo up $(if $(ASK),--ask) $(if $(MODELS),--models "$(MODELS)") \
	  $(if $(EXAMPLE),--example "$(EXAMPLE)") $(if $(CONTEXT),--context "$(CONTEXT)") $(if $(REGISTRY),--registry "$(REGISTRY)")

test: ## every check and every test, exactly what CI runs
	@hack/venv && hack/verify-all.sh

e2e: ## a whole installation by Helm on a real node, from its first day to its second (root)
	@hack/venv && KEELSTEP_RELEASE=1 .venv/bin/python -m pytest tests/release -q -s -rs

down: ## end what `make demo` started
	@hack/venv && .venv/bin/python -m hack.demo down $(if $(CONTEXT),--context "$(CONTEXT)")

bench: ## the numbers, as a table and as JSON under build/bench/
	@hack/venv && .venv/bin/python -m hack.bench

chaos: ## every fault at every boundary, in the order of SEED=N, the first SAMPLE=N of it (all of it takes days)
	@hack/venv && .venv/bin/python -m tests.chaos --seed $(or $(SEED),1) --sample $(or $(SAMPLE),40)

chaos-smoke: ## kill -9 of runner, gateway and operator around one refund
	@hack/venv && .venv/bin/python -m pytest tests/chaos/test_smoke.py -q

docs: ## the site of these pages, under build/docs/site
	@hack/venv && .venv/bin/python -m hack.docs

images: ## every program's image, with its bill of materials (root)
	@hack/venv && .venv/bin/python -m hack.images build

verify: ## the checks without the tests
	@hack/venv && hack/verify-all.sh --no-tests

generate: ## write everything that is generated
	@hack/venv && .venv/bin/python -m hack.generate
