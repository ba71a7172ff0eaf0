{{/* What makes an installation's keys, before each installation, and renews its certificate, every night. */}}

{{/* (list . "only certificates"): the Pod; without the second word it makes everything that is missing. */}}
{{- define "keelstep.bootstrap.pod" -}}
{{- $onlyCertificates := gt (len .) 1 -}}
{{- with index . 0 -}}
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
  "KEELSTEP_ONLY_CERTIFICATES" ($onlyCertificates | toString)
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
{{- end }}

{{/* What certificates are kept in. */}}
{{- define "keelstep.bootstrap.certificates" -}}
{{ list "keelstep-views-authority" .Values.views.certificate.secret | toJson }}
{{- end }}

{{/* The installation's keys, and what is made of them. */}}
{{- define "keelstep.bootstrap.keys" -}}
{{- $whole := .Values.installation.existingSecret | default "keelstep-installation" -}}
{{ list $whole "keelstep-operator" "keelstep-gateway" "keelstep-projector" "keelstep-reader" "keelstep-archivist" "keelstep-backup" "keelstep-public" "keelstep-server" "keelstep-postgres" | toJson }}
{{- end }}

{{/* It makes what is missing, reads no other Secret, and changes nothing but certificates.
     (list . "keelstep-bootstrap" annotations names) */}}
{{- define "keelstep.bootstrap.rights" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $annotations := index . 2 -}}
{{- $names := index . 3 -}}
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
    verbs: [create]
  - apiGroups: [""]
    resources: [secrets, configmaps]
    resourceNames: {{ toJson $names }}
    verbs: [get]
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: {{ include "keelstep.bootstrap.certificates" $root }}
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
