{{/* What makes an installation's keys and renews its certificate: the same Pod before an installation and every night. */}}

{{- define "keelstep.bootstrap.pod" -}}
{{- $me := list . "bootstrap" -}}
{{- $certificate := .Values.views.certificate -}}
{{- $isOwn := and .Values.views.enabled (eq $certificate.source "bootstrap") -}}
{{- $environment := dict
  "KEELSTEP_NAMESPACE" .Release.Namespace
  "KEELSTEP_INSTALLATION_SECRET" (.Values.installation.existingSecret | default "keelstep-installation")
  "KEELSTEP_INSTALLATION_GIVEN" (empty .Values.installation.existingSecret | ternary "false" "true")
  "KEELSTEP_POSTGRES_HOST" (.Values.embedded.enabled | ternary (printf "keelstep-postgres.%s.svc" .Release.Namespace) "")
  "KEELSTEP_VIEWS_HOSTS" ($isOwn | ternary (include "keelstep.views.hosts" .) "[]")
  "KEELSTEP_VIEWS_SECRET" $certificate.secret
  "KEELSTEP_LOG_LEVEL" .Values.logLevel -}}
metadata:
  labels: {{ include "keelstep.program.labels" $me | nindent 4 }}
spec:
  {{- include "keelstep.pod" $me | nindent 2 }}
  restartPolicy: OnFailure
  automountServiceAccountToken: true
  containers:
    - name: bootstrap
      image: {{ include "keelstep.image" (list . "operator") }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [python3, -m, keelstep_operator.bootstrap]
      env: {{ include "keelstep.environment" $environment | nindent 8 }}
      resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 256Mi}}
      securityContext: {{ include "keelstep.container.security" . | nindent 8 }}
{{- end }}

{{/* It makes what is missing, and changes nothing but certificates. (list . "keelstep-bootstrap" annotations) */}}
{{- define "keelstep.bootstrap.rights" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $annotations := index . 2 -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{ include "keelstep.labels" $root | nindent 4 }}
  annotations: {{ toJson $annotations }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  labels: {{ include "keelstep.labels" $root | nindent 4 }}
  annotations: {{ toJson $annotations }}
rules:
  - apiGroups: [""]
    resources: [secrets, configmaps]
    verbs: [get, create]
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [keelstep-views-authority, {{ $root.Values.views.certificate.secret }}]
    verbs: [update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  labels: {{ include "keelstep.labels" $root | nindent 4 }}
  annotations: {{ toJson $annotations }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ $root.Release.Namespace }}}
{{- end }}
