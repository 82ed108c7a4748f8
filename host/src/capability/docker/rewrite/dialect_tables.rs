//! What Compose gives for odd inputs; checked against `docker compose config` 2.26.

pub(super) type Pairs = &'static [(&'static str, &'static str)];

pub(super) const PROCESS: Pairs = &[("P", "from-process"), ("PE", ""), ("BOTH", "process")];

/// An env file, then templates with what they give; nothing: Compose refuses them.
pub(super) struct Dialect {
    pub(super) env: &'static str,
    pub(super) templates: &'static [(&'static str, Option<&'static str>)],
}

pub(super) const DIALECTS: &[Dialect] = &[
    Dialect {
        env: "V=1.4.0\nE=\nN_1=n\nREF=r.io/a:2\nBOTH=file\n",
        templates: &[
            ("x:${V}", Some("x:1.4.0")),
            ("x:$V", Some("x:1.4.0")),
            ("x:$V-a", Some("x:1.4.0-a")),
            ("x:$Va", Some("x:")),
            ("x:${V}a$N_1", Some("x:1.4.0an")),
            ("$REF", Some("r.io/a:2")),
            ("x:${U}", Some("x:")),
            ("x:${V:-d}", Some("x:1.4.0")),
            ("x:${U:-d}", Some("x:d")),
            ("x:${U-d}", Some("x:d")),
            ("x:${E:-d}", Some("x:d")),
            ("x:${E-d}", Some("x:")),
            ("x:${PE:-d}", Some("x:d")),
            ("x:${PE-d}", Some("x:")),
            ("x:${P}", Some("x:from-process")),
            ("x:${BOTH}", Some("x:process")),
            ("x:${V:+alt}", Some("x:alt")),
            ("x:${E:+alt}", Some("x:")),
            ("x:${E+alt}", Some("x:alt")),
            ("x:${U+alt}", Some("x:")),
            ("x:${V:+$V-alt}", Some("x:1.4.0-alt")),
            ("x:${V:?no}", Some("x:1.4.0")),
            ("x:${V?no}", Some("x:1.4.0")),
            ("x:${E?no}", Some("x:")),
            ("x:${E:?no}", None),
            ("x:${U?no}", None),
            ("x:${U:?}", None),
            ("x:${U:-${V}}", Some("x:1.4.0")),
            ("x:${U:-${W:-d}}", Some("x:d")),
            ("x:${U:-${W:-${V}}}-z", Some("x:1.4.0-z")),
            ("x:${U:-a}${W:-b}", Some("x:ab")),
            ("x:${U:-a}-${V}-${W:-b}", Some("x:a-1.4.0-b")),
            ("${U:-r.io}/a:${V:-9}", Some("r.io/a:1.4.0")),
            ("x:${U:-}", Some("x:")),
            ("x:${U-}y", Some("x:y")),
            ("x:$$V", Some("x:$V")),
            ("x:$${V}", Some("x:${V}")),
            ("x:$$$V", Some("x:$1.4.0")),
            ("x:$", Some("x:$")),
            ("x:$.", Some("x:$.")),
            ("x:$1", Some("x:$1")),
            ("x:${", None),
            ("x:${}", None),
            ("x:${1}", None),
            ("x:${V", None),
            ("x:${V:-", None),
            ("x:${V:x}", None),
            ("x:${ V}", None),
            ("x:${V }", None),
            ("x:${U:-{}}", Some("x:{}")),
            ("x:${U:-{a}}", Some("x:{a}")),
            ("x:${U:-a}}", Some("x:a}")),
            ("x:${U-a:-b}", Some("x:a:-b")),
            ("x:${U:-a?b}", Some("x:a?b")),
            ("x:${U:-$$}", Some("x:$")),
            ("x:${V:-${", None),
            ("x:${_u}", Some("x:")),
        ],
    },
    Dialect { env: "V=1 # c\n", templates: &[("${V}", Some("1"))] },
    Dialect { env: "V=1# c\n", templates: &[("${V}", Some("1# c"))] },
    Dialect { env: "V=1\t# c\n", templates: &[("${V}", Some("1\t# c"))] },
    Dialect { env: "V=\"1\" # c\n", templates: &[("${V}", Some("1"))] },
    Dialect { env: "V='1'# c\n", templates: &[("${V}", Some("1"))] },
    Dialect { env: "V=\"1 # c\"\n", templates: &[("${V}", Some("1 # c"))] },
    Dialect { env: "V = 1.4 \n", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: " V\t=\t'1.4'\n", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: "V: 1.4\n", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: "export V=1.4\n", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: "export\tV = 1.4", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: "exportV=1", templates: &[("${exportV}", Some("1"))] },
    Dialect { env: "V=1.4", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: "A=1\r\nV=1.4\r\nB=2\r\n", templates: &[("${A}${V}${B}", Some("11.42"))] },
    Dialect { env: "V=\"1.4\"\r\nB='2'\r\n", templates: &[("${V}${B}", Some("1.42"))] },
    Dialect { env: "\u{feff}V=1.4\n", templates: &[("${V}", Some("1.4"))] },
    Dialect { env: "V=1\nV=2\n", templates: &[("${V}", Some("2"))] },
    Dialect { env: "V=1\nW=${V}\nV=2\n", templates: &[("${V}${W}", Some("21"))] },
    Dialect { env: "W=${V}\nV=2\n", templates: &[("a${W}", Some("a"))] },
    Dialect {
        env: "V=1\nW=$V-x\nX=\"${W}\"\nY='${W}'\n",
        templates: &[("${X}", Some("1-x")), ("${Y}", Some("${W}"))],
    },
    Dialect { env: "W=${P}-x\n", templates: &[("${W}", Some("from-process-x"))] },
    Dialect { env: "W=${U:-d}\n", templates: &[("${W}", Some("d"))] },
    Dialect { env: "BOTH=file\nW=${BOTH}\n", templates: &[("${W}", Some("process"))] },
    Dialect { env: "V=\"a\\\"b\"\n", templates: &[("${V}", Some("a\"b"))] },
    Dialect { env: "V='a\\'b'\n", templates: &[("${V}", Some("a'b"))] },
    Dialect { env: "V=\"a\\tb\\\\c\\$P\"\n", templates: &[("${V}", Some("a\tb\\c$P"))] },
    Dialect { env: "V='a\\tb'\n", templates: &[("${V}", Some("a\\tb"))] },
    Dialect { env: "V=a\\tb\n", templates: &[("${V}", Some("a\\tb"))] },
    Dialect { env: "V=\"a\nb\"\nW=1\n", templates: &[("${W}", Some("1"))] },
    Dialect { env: "# c\n\n  # d\nV=1\n#V=2\n", templates: &[("${V}", Some("1"))] },
    Dialect { env: "P\nV=1\n", templates: &[("${P}${V}", Some("from-process1"))] },
    Dialect { env: "U\nV=1\n", templates: &[("${U:-u}${V}", Some("u1"))] },
    Dialect { env: "V=\"1\"W=2\n", templates: &[("${V}${W}", Some("12"))] },
    Dialect { env: "V=\nW=2\n", templates: &[("${V:-d}${W}", Some("d2"))] },
    Dialect { env: "V=a=b:c\n", templates: &[("${V}", Some("a=b:c"))] },
    Dialect { env: "V=it's\n", templates: &[("${V}", Some("it's"))] },
    Dialect { env: "V=\"1\n", templates: &[("a", None)] },
    Dialect { env: "V W=1\n", templates: &[("a", None)] },
    Dialect { env: "V=1\nV", templates: &[("a", None)] },
    Dialect { env: "V%=1\n", templates: &[("a", None)] },
    Dialect { env: "V=${\n", templates: &[("a", None)] },
    Dialect { env: "V.a-b=1\n", templates: &[("a", Some("a"))] },
    Dialect { env: "V=1", templates: &[("${V:?a}", Some("1"))] },
    Dialect { env: "", templates: &[("a${V}", Some("a"))] },
    Dialect { env: "\n\n", templates: &[("a${V}", Some("a"))] },
    Dialect { env: "V=$$x\n", templates: &[("${V}", Some("$x"))] },
    Dialect { env: "V=a\u{a0}\n", templates: &[("${V}", Some("a"))] },
    Dialect { env: "Vü=1\nW=2\n", templates: &[("${W}", Some("2"))] },
];

/// Files of a project (those named `compose*` are in effect), and the images.
pub(super) struct Project {
    pub(super) files: Pairs,
    pub(super) images: Pairs,
}

pub(super) const PROJECTS: &[Project] = &[
    Project {
        files: &[("compose.yml", "services:\n  a:\n    image: a:1\n")],
        images: &[("a", "a:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "services: {a: {image: a:1}, b: {image: 'b:1'}, \"c\": {\"image\": \"c:1\"}}\n",
        )],
        images: &[("a", "a:1"), ("b", "b:1"), ("c", "c:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "\u{feff}services:\r\n  a:\r\n    image: a:1 # c\r\n  b:\r\n    image: \"b:1\"\r\n",
        )],
        images: &[("a", "a:1"), ("b", "b:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "services:\n  a:\n    image:\ta:1\t# c\n  b:\n    image:\n      b:1\n  ? c\n  : image: c:1",
        )],
        images: &[("a", "a:1"), ("b", "b:1"), ("c", "c:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "services:\n  a:\n    image: \"a\\x3a1\"\n  b:\n    image: >-\n      b:1\n  c:\n    image: !!str c:1\n",
        )],
        images: &[("a", "a:1"), ("b", "b:1"), ("c", "c:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "# ü ü ü\nname: ü1\nx-ü: ü\nservices:\n  a:\n    labels: {x: 'üü'}\n    image: a:1\n",
        )],
        images: &[("a", "a:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "x-b: &b\n  image: b:1\nx-c: &c\n  image: c:1\nservices:\n  a:\n    <<: [*b, *c]\n  d:\n    image: own:1\n    <<: *b\n  e:\n    <<: *b\n    image: own:1\n  f: *c\n  g:\n    image: &i g:1\n  h:\n    image: *i\n",
        )],
        images: &[
            ("a", "b:1"),
            ("d", "own:1"),
            ("e", "own:1"),
            ("f", "c:1"),
            ("g", "g:1"),
            ("h", "g:1"),
        ],
    },
    Project {
        files: &[(
            "compose.yml",
            "x-s: &s\n  a: {image: a:1}\n  b: {image: b:1}\nservices:\n  <<: *s\n  b: {image: b:2}\n",
        )],
        images: &[("a", "a:1"), ("b", "b:2")],
    },
    Project {
        files: &[("compose.yml", "x-a: &v a:1\nx-b: &v a:2\nservices:\n  a: {image: *v}\n")],
        images: &[("a", "a:2")],
    },
    Project {
        files: &[(
            "compose.yml",
            "services:\n  a:\n    image: a:1\n---\nservices:\n  a:\n    image: a:2\n  b:\n    extends: a\n",
        )],
        images: &[("a", "a:2"), ("b", "a:2")],
    },
    Project {
        files: &[
            ("compose.yml", "services:\n  a: {image: a:1}\n  b: {image: b:1}\n"),
            ("compose.z.yml", "services:\n  a: {image: a:2}\n  b: {image: }\n  c: {image: c:1}\n"),
        ],
        images: &[("a", "a:2"), ("b", "b:1"), ("c", "c:1")],
    },
    Project {
        files: &[
            ("compose.yml", "services:\n  a: {image: a:1}\n  c: {image: c:1}\n"),
            ("compose.z.yml", "services:\n  c: {extends: d}\n  d: {image: d:1}\n"),
        ],
        images: &[("a", "a:1"), ("c", "d:1"), ("d", "d:1")],
    },
    Project {
        files: &[(
            "compose.yml",
            "services:\n  a:\n    image:\n    extends: {service: b}\n  b: {image: b:1}\n  c: {image: c:1, extends: b}\n",
        )],
        images: &[("a", "b:1"), ("b", "b:1"), ("c", "c:1")],
    },
    Project {
        files: &[
            (
                "compose.yml",
                "services:\n  b:\n    extends:\n      file: sub/base.yml\n      service: x\n",
            ),
            ("sub/base.yml", "services:\n  x:\n    extends: {file: deep.yml, service: y}\n"),
            ("sub/deep.yml", "services:\n  y:\n    image: sub:${V:-1}\n"),
            ("deep.yml", "services:\n  y:\n    image: root:1\n"),
        ],
        images: &[("b", "sub:1")],
    },
    Project {
        files: &[
            ("compose.yml", "services:\n  a: {image: a:1}\n"),
            ("sub/compose.z.yml", "services:\n  b:\n    extends: {file: base.yml, service: x}\n"),
            ("base.yml", "services: {x: {image: root:1}}\n"),
            ("sub/base.yml", "services: {x: {image: sub:1}}\n"),
        ],
        images: &[("a", "a:1"), ("b", "root:1")],
    },
    Project {
        files: &[
            ("compose.yml", "include: [inc.yml]\nservices:\n  a: {image: a:1}\n"),
            ("inc.yml", "services: {i: {image: \"i:${V:-1}\"}}\n"),
        ],
        images: &[("a", "a:1"), ("i", "i:1")],
    },
    Project {
        files: &[
            ("compose.yml", "include:\n  - path: sub/inc.yml\nservices:\n  a: {image: a:1}\n"),
            ("sub/inc.yml", "include: [more.yml]\nservices: {i: {image: i:1}}\n"),
            ("sub/more.yml", "services: {j: {image: j:1}}\n"),
        ],
        images: &[("a", "a:1"), ("i", "i:1"), ("j", "j:1")],
    },
];
