{{/* Both web servers: the one that can launch runs, and the read-only one. */}}

{{/* Deployment, Service and Ingress; takes (list context component ingress may-end-runs). */}}
{{- define "cybersec.webserver" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $ingress := index . 2 -}}
{{- $writes := index . 3 -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "cybersec.metadata" (list $root $component $component) | nindent 2 }}
spec:
  replicas: 1
  selector:
    matchLabels:
      {{- include "cybersec.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $component }}
  template:
    metadata:
      labels:
        {{- include "cybersec.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
      annotations:
        {{- include "cybersec.checksum" $root | nindent 8 }}
    spec:
      {{- include "cybersec.pod" (list $root $component $writes) | nindent 6 }}
      initContainers:
        {{- include "cybersec.waitForSetup" $root | nindent 8 }}
      containers:
        - name: webserver
          {{- include "cybersec.container" $root | nindent 10 }}
          command: {{ include "cybersec.jsonLogs" $root }}
          args:
            {{- $arguments := list "dagster-webserver" "-h" "0.0.0.0" "-p" "3000" "-w" "/opt/dagster/workspace.yaml" }}
            {{- ternary $arguments (append $arguments "--read-only") $writes | toYaml | nindent 12 }}
          env:
            {{- include "cybersec.env.instance" $root | nindent 12 }}
          ports:
            - name: http
              containerPort: 3000
          startupProbe:
            httpGet: {path: /server_info, port: http}
            periodSeconds: 2
            failureThreshold: 90
          readinessProbe:
            httpGet: {path: /server_info, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
          livenessProbe:
            httpGet: {path: /server_info, port: http}
            periodSeconds: 30
            timeoutSeconds: 10
            failureThreshold: 4
          resources:
            {{- toYaml $root.Values.webserver.resources | nindent 12 }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "cybersec.metadata" (list $root $component $component) | nindent 2 }}
spec:
  type: {{ $root.Values.webserver.service.type }}
  selector:
    {{- include "cybersec.selector" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  ports:
    - name: http
      port: {{ $root.Values.webserver.service.port }}
      targetPort: http
{{- if $ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "cybersec.metadata" (list $root $component $component) | nindent 2 }}
  {{- with $ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  rules:
    - host: {{ $ingress.host | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ include "cybersec.fullname" $root }}-{{ $component }}
                port: {name: http}
  {{- with $ingress.tlsSecret }}
  tls:
    - hosts: [{{ $ingress.host | quote }}]
      secretName: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Fail for an Ingress that is unreachable or has no host; takes (list context value-name ingress peers-name). */}}
{{- define "cybersec.ingress.check" -}}
{{- $root := index . 0 -}}
{{- $ingress := index . 2 -}}
{{- if $ingress.enabled }}
{{- if not $ingress.host }}
{{- fail (printf "%s.host is empty: set it to the host name of the Ingress" (index . 1)) }}
{{- end }}
{{- $peers := index $root.Values.networkPolicy (index . 3) }}
{{- if and $root.Values.networkPolicy.enabled (deepEqual $peers (list (dict "podSelector" dict))) }}
{{- fail (printf "networkPolicy.%s admits only pods of this namespace, but %s.enabled is set: add your ingress controller to it, such as {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: traefik}}}" (index . 3) (index . 1)) }}
{{- end }}
{{- end }}
{{- end }}
