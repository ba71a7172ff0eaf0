{{/* One installation per cluster: its kinds, roles and policies are the cluster's, and so are all names. */}}

{{- define "keelstep.labels" -}}
app.kubernetes.io/part-of: keelstep
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Of one program: (list . "operator"). */}}
{{- define "keelstep.program.labels" -}}
{{- $root := index . 0 -}}
{{ include "keelstep.program.selector" . }}
{{ include "keelstep.labels" $root }}
{{- end }}

{{- define "keelstep.program.selector" -}}
app.kubernetes.io/name: keelstep-{{ index . 1 }}
{{- end }}

{{- define "keelstep.image" -}}
{{- $root := index . 0 -}}
{{ printf "%s/keelstep-%s:%s" $root.Values.image.registry (index . 1) ($root.Values.image.tag | default $root.Chart.AppVersion) }}
{{- end }}

{{- define "keelstep.broker.url" -}}
{{- if .Values.embedded.enabled -}}
nats://keelstep-nats.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{ .Values.broker.url }}
{{- end -}}
{{- end }}

{{- define "keelstep.operator.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:keelstep-operator
{{- end }}

{{/* The names that the views server's certificate carries; the kube-apiserver asks for the first. */}}
{{- define "keelstep.views.hosts" -}}
{{ list (printf "keelstep-views.%s.svc" .Release.Namespace) (printf "keelstep-views.%s.svc.%s" .Release.Namespace .Values.gateway.egress.clusterDomain) | toJson }}
{{- end }}

{{/* What cannot be installed is said before anything is. */}}
{{- define "keelstep.checks" -}}
{{- if not .Values.tenants }}
{{- fail "tenants: say in which namespaces agents run, e.g. --set 'tenants={refunds}'; '*' is every namespace" }}
{{- end }}
{{- if and (has "*" .Values.tenants) (gt (len .Values.tenants) 1) }}
{{- fail "tenants: '*' is every namespace, so it stands alone" }}
{{- end }}
{{- if has .Release.Namespace .Values.tenants }}
{{- fail (printf "tenants: %s holds the installation's keys, so it is no tenant's" .Release.Namespace) }}
{{- end }}
{{- if .Values.embedded.enabled }}
{{- if or .Values.broker.url .Values.postgres.existingSecret }}
{{- fail "embedded.enabled: it brings its own broker and Postgres; leave broker.url and postgres.existingSecret empty" }}
{{- end }}
{{- if ne (int .Values.broker.replicas) 1 }}
{{- fail "broker.replicas: the embedded broker is one server, and keeps one copy" }}
{{- end }}
{{- else if not (and .Values.broker.url .Values.postgres.existingSecret) }}
{{- fail "broker.url and postgres.existingSecret: name your NATS and your Postgres, or set embedded.enabled to try it out" }}
{{- end }}
{{- end }}
