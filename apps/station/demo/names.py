"""Names and towns in many scripts, each name with a spelling that fits into an address."""

# ruff: noqa: RUF001 - names are spelled as their owners spell them

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """People of one language: (as written, in ASCII) pairs, and where they live."""

    locale: str
    timezone: str
    first_names: tuple[tuple[str, str], ...]
    last_names: tuple[tuple[str, str], ...]
    cities: tuple[str, ...]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`Åsa=asa, Ève=eve` as pairs."""
    split = (pair.strip().partition("=") for pair in text.split(","))
    return tuple((written, ascii_) for written, _, ascii_ in split)


PLACES = (
    Place(
        "en-GB",
        "Europe/London",
        _pairs("Ada=ada, Alan=alan, Grace=grace, Niamh=niamh, Siân=sian, Zoë=zoe"),
        _pairs("Lovelace=lovelace, O'Brien=obrien, Byrne=byrne, Smith-Jones=smith-jones"),
        ("London", "Cardiff", "Dún Laoghaire"),
    ),
    Place(
        "de-DE",
        "Europe/Berlin",
        _pairs("Jürgen=juergen, Käthe=kaethe, Sören=soeren, Anneliese=anneliese"),
        _pairs("Müller=mueller, Weiß=weiss, Groß-Bölting=gross-boelting, von der Heide=heide"),
        ("München", "Köln", "Gießen"),
    ),
    Place(
        "pl-PL",
        "Europe/Warsaw",
        _pairs("Łukasz=lukasz, Małgorzata=malgorzata, Żaneta=zaneta, Stanisław=stanislaw"),
        _pairs("Wałęsa=walesa, Źródłowska=zrodlowska, Kwaśniewski=kwasniewski"),
        ("Łódź", "Kraków", "Gdańsk"),
    ),
    Place(
        "vi-VN",
        "Asia/Ho_Chi_Minh",
        _pairs("Nguyệt=nguyet, Đức=duc, Thảo=thao"),
        _pairs("Nguyễn=nguyen, Trần=tran, Phạm=pham"),
        ("Hà Nội", "Đà Nẵng"),
    ),
    Place(
        "tr-TR",
        "Europe/Istanbul",
        _pairs("İpek=ipek, Çağla=cagla, Işıl=isil, Ömer=omer"),
        _pairs("Yılmaz=yilmaz, Şahin=sahin, Öztürk=ozturk"),
        ("İstanbul", "Iğdır"),
    ),
    Place(
        "uk-UA",
        "Europe/Kyiv",
        _pairs("Ганна=hanna, Їжак=yizhak, Олексій=oleksii, Юлія=yuliia"),
        _pairs("Шевченко=shevchenko, Ґалаґан=galagan, Коваленко=kovalenko"),
        ("Київ", "Львів", "Чернівці"),
    ),
    Place(
        "el-GR",
        "Europe/Athens",
        _pairs("Αθηνά=athina, Γιώργος=giorgos, Ελένη=eleni, Οδυσσέας=odysseas"),
        _pairs("Παπαδόπουλος=papadopoulos, Καζαντζάκης=kazantzakis"),
        ("Αθήνα", "Θεσσαλονίκη"),
    ),
    Place(
        "ar-EG",
        "Africa/Cairo",
        _pairs("محمد=mohamed, فاطمة=fatima, ياسمين=yasmin, عمر=omar"),
        _pairs("الخطيب=elkhatib, عبد الرحمن=abdelrahman, حسن=hassan"),
        ("القاهرة", "الإسكندرية"),
    ),
    Place(
        "he-IL",
        "Asia/Jerusalem",
        _pairs("נועה=noa, איתי=itai, שירה=shira"),
        _pairs("כהן=cohen, לוי=levi, בן־דוד=bendavid"),
        ("תל אביב", "חיפה"),
    ),
    Place(
        "hi-IN",
        "Asia/Kolkata",
        _pairs("प्रिया=priya, अर्जुन=arjun, ऋषि=rishi, श्रेया=shreya"),
        _pairs("शर्मा=sharma, सिंह=singh, चौधरी=chaudhary"),
        ("मुंबई", "दिल्ली"),
    ),
    Place(
        "th-TH",
        "Asia/Bangkok",
        _pairs("สมชาย=somchai, น้ำฝน=namfon, กิตติ=kitti"),
        _pairs("ศรีสุข=srisuk, วงศ์ใหญ่=wongyai"),
        ("กรุงเทพฯ", "เชียงใหม่"),
    ),
    Place(
        "zh-CN",
        "Asia/Shanghai",
        _pairs("小明=xiaoming, 秀英=xiuying, 伟=wei, 𠮷祥=jixiang"),
        _pairs("王=wang, 李=li, 欧阳=ouyang"),
        ("北京", "上海", "深圳"),
    ),
    Place(
        "ja-JP",
        "Asia/Tokyo",
        _pairs("さくら=sakura, 健太=kenta, ユキ=yuki"),
        _pairs("佐藤=sato, 高橋=takahashi, 渡邉=watanabe"),
        ("東京", "京都"),
    ),
    Place(
        "ko-KR",
        "Asia/Seoul",
        _pairs("민준=minjun, 서연=seoyeon, 지우=jiwoo"),
        _pairs("김=kim, 이=lee, 박=park"),
        ("서울", "부산"),
    ),
    Place(
        "pt-BR",
        "America/Sao_Paulo",
        _pairs("João=joao, Conceição=conceicao, 🦊 Raposa=raposa, Inês=ines"),
        _pairs("Gonçalves=goncalves, Guimarães=guimaraes, d'Ávila=davila"),
        ("São Paulo", "Florianópolis"),
    ),
)
